"""What was there before a release: the release before it, its images, and what it had deployed.

What a release deployed stays when it is taken back, unless it is asked for: then the assembly of the release before is
deployed again, which is in the bundle of that. Where that is not what was deployed before, what would go is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from seedbed.deployment import assembly as assemblies
from seedbed.documents.deployment import DeploymentDocument
from seedbed.documents.plan import PlanDocument
from seedbed.documents.stacks import ResourceChangeEntry, StackPlanEntry
from seedbed.errors import Hint, Refused, call
from seedbed.execution.stopping import Stop
from seedbed.model.migration import Phase
from seedbed.model.names import stack_name
from seedbed.model.release import Evidence, Release, StepName
from seedbed.model.resource import Replacement, ResourceAction
from seedbed.project.releasing.children import Ended
from seedbed.project.releasing.commands import StepCommand
from seedbed.project.releasing.going import failure
from seedbed.project.releasing.unpacked import Unpacked, unpacked
from seedbed.releases import bundle as bundles
from seedbed.releases.store import ReleaseStore
from seedbed.support.typed import ready

STAYS = "stays"  # of evidence


def former(store: ReleaseStore, release: Release) -> Release | None:
    """Return the release whose code ran before `release`: the last one that was closed, or that another carried on."""
    for number in reversed([each for each in store.numbers() if each < release.number]):
        found = store.load(number)
        if found is not None and found.state in ("closed", "superseded"):
            return found
    return None


def deployed(found: Unpacked, release: Release) -> Sequence[tuple[str, bool]]:
    """Return what of stacks `release` has changed, or may have, as text, and whether it was added there.

    What was added does no harm: the former code does not know it.
    """
    plan = _begun(found, release)
    if plan is None:
        return []
    platform, environment = found.project.platform.name, found.environment.name
    told = list[tuple[str, bool]]()
    managed = dict[str, str]()
    for each in plan.databases:
        service, _, engine = each.database.partition("/")
        if each.changes:
            managed[stack_name(platform, environment, service, engine)] = each.database
        told += [(f"{each.database}: {one.what}", one.phase is Phase.EXPAND) for one in each.changes]
    for stack in plan.stacks:
        if stack.stack not in managed:
            told += [(f"{stack.stack}: {_words(one)}", _is_new(one, stack)) for one in stack.changes]
    return told


def stays(found: Unpacked, release: Release, now: float) -> list[Evidence]:
    """Return what stays deployed of a release that is taken back, each with why that does no harm, or may."""
    add = "it was added: the former code does not use it, and it costs what it costs"
    other = "whether the former code minds it is not known"
    return [
        Evidence(STAYS, "good" if is_new else "unknown", f"{what} stays: {add if is_new else other}", now)
        for what, is_new in deployed(found, release)
    ]


def _begun(found: Unpacked, release: Release) -> PlanDocument | None:
    """Return the plan of the last step that was begun and deploys; None where none was."""
    begun = [each for each in (StepName.EXPAND, StepName.MIGRATE) if release.step(each).began]
    return found.plan(begun[-1]) if begun else None


def _words(change: ResourceChangeEntry) -> str:
    return f"{change.action.lower()} {change.id} ({change.type.removeprefix('AWS::')})"


def _is_new(change: ResourceChangeEntry, stack: StackPlanEntry) -> bool:
    return stack.deployed is None or change.action is ResourceAction.ADD


class Return(Struct, frozen=True):
    """What was deployed before, to be deployed again: the bundle of `release`, unpacked.

    `new`: stacks that were not there before; they stay. `losing`: what holds data and would be removed, as text.
    """

    release: Release
    unpacked: Unpacked
    new: tuple[str, ...] = ()
    losing: tuple[str, ...] = ()

    def command(self, *more: str) -> StepCommand:
        assembly = self.unpacked.assembly
        drops = (word for each in self.new for word in ("--drop", each))
        words = ("deploy", "-e", self.unpacked.environment.name, "--through", Phase.CONTRACT.value)
        return StepCommand("deploy", (*words, "--assembly", str(assembly), *drops, *more, "--json"))

    def deploy(self, stop: Stop) -> Ended:
        """Deploy what was deployed before; change sets are read before they are executed."""
        return self.unpacked.seedbed(self.command("--unreviewed", "--yes").words, stop)


@contextmanager
def returning(found: Unpacked, store: ReleaseStore, release: Release, stop: Stop) -> Iterator[Return | None]:
    """Yield what is deployed again to have what was there before `release`; None where it has deployed nothing.

    Nothing is touched. Raises Refused where it is not known, or where no deployment leads there.
    """
    if not deployed(found, release):
        yield None
        return
    before = former(store, release)
    if before is None:
        raise _unknown(
            release, "it is the first release of the environment, and no bundle has what was there before"
        )
    bundle = bundles.read(store.get(before.bundle), before.bundle)
    with unpacked(bundle, found.environment.name, found.environ, found.project.redactor) as old:
        if old.assembly is None:
            raise _unknown(release, f"the bundle of release {before.number} has no assembly for it")
        plan = _begun(found, release)
        assert plan is not None
        new = _new(plan, old, release, before)
        is_made = any(
            "deploy" in each.commands for each in release.steps
        )  # else one of them may not be there
        way = Return(before, old, new if is_made else ())
        yield replace(way, losing=_losing(way, stop))


def _new(plan: PlanDocument, old: Unpacked, release: Release, before: Release) -> tuple[str, ...]:
    """Return the stacks that are new. Raises Refused for one that was another than the former bundle has."""
    assert old.assembly is not None
    assembly = assemblies.read(old.assembly)
    new: list[str] = []
    for each in plan.stacks:
        stack = assembly.stack(each.stack)
        if stack is None and each.deployed is None:
            new.append(each.stack)
        elif each.changes and (
            stack is None or assemblies.fingerprint(assembly.template(stack)) != each.deployed
        ):
            because = f"{each.stack} was not deployed as the bundle of release {before.number} has it"
            raise _unknown(release, because)
    return tuple(new)


def _losing(way: Return, stop: Stop) -> tuple[str, ...]:
    """Return what holds data and would go. Raises what hinders the deployment."""
    ended = way.unpacked.seedbed(way.command("--dry-run").words, stop)
    stop.check()
    if ended.code:
        what = "what was deployed before cannot be deployed again"
        raise failure("deploy --dry-run", ended, what, call("release back"))
    document = msgspec.json.decode(ended.output, type=ready(DeploymentDocument))
    return tuple(
        f"{each.stack}: {_words(one)}"
        for each in document.stacks
        for one in each.resources
        if one.holds and _goes(one)
    )


def _goes(change: ResourceChangeEntry) -> bool:
    return change.action is ResourceAction.REMOVE or change.replacement in {
        Replacement.YES,
        Replacement.PERHAPS,
    }


def _unknown(release: Release, because: str) -> Refused:
    return Refused(
        f"what was deployed before release {release.number} is not known",
        because=because,
        try_=Hint("leave it, the former code does not use it: ", call("release back", str(release.number))),
    )
