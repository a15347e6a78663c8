"""Opening a release: its bundle is checked, its plans are made, and one write makes the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from seedbed import __version__
from seedbed.documents.plan import PlanDocument
from seedbed.documents.release import ReleaseDocument
from seedbed.errors import GateClosed, Refused, Unavailable
from seedbed.model.environment import Environment
from seedbed.model.migration import Phase
from seedbed.model.release import PHASES, Gate, Release
from seedbed.planning.opening import contracted, in_the_way, may_open, soak_of, steps_of, to_carry_on
from seedbed.planning.release_facts import Facts
from seedbed.planning.releases import end
from seedbed.planning.reviewed import decoded
from seedbed.planning.rules_in_force import InForce
from seedbed.planning.shown_release import document
from seedbed.project.protection import require_databases
from seedbed.project.releasing import commands, looking
from seedbed.project.releasing.going import failure
from seedbed.project.releasing.operator import Operator
from seedbed.project.releasing.unpacked import Unpacked, unpacked
from seedbed.project.rules import rules_before, rules_for
from seedbed.releases import bundle as bundles
from seedbed.releases.bundle import Bundle
from seedbed.releases.records import digest_of
from seedbed.releases.store import ReleaseStore

if TYPE_CHECKING:
    from seedbed.project.project import Project

_ATTEMPTS = 5  # to find a number that nobody else takes meanwhile


class Opened(Struct, frozen=True):
    """A release that is open. `is_new`: it was not before. `plans`: by the gate that each goes through."""

    release: Release
    is_new: bool
    plans: Mapping[Phase, PlanDocument]
    rules: InForce

    def document(self, command: str) -> ReleaseDocument:
        """Return what it would be, where it is not opened."""
        facts = Facts(
            now=self.release.opened,
            rules=self.rules.rules,
            looser=self.rules.looser,
            caller=self.release.opened_by,
            contracted=contracted(self.plans),
        )
        return document(self.release, facts, command)


def open_release(
    project: Project,
    environment: Environment,
    operator: Operator,
    data: bytes,
    environ: Mapping[str, str],
    *,
    sha256: str = "",
    soak: float | None = None,
    dry_run: bool = False,
) -> Opened:
    """Return the release of the bundle `data`, opened unless it is open already.

    `sha256`: what the bundle has to be, "" for whatever it is. Raises Refused for a bundle that does not fit, and for a
    plan that the targets reject; GateClosed while another release is in the way.
    """
    if environment.is_sandbox:
        raise Refused(
            "the sandbox has no releases",
            because="its servers are those of a checkout, and a release has files of its own",
            try_="release to an environment that the manifest declares",
        )
    require_databases(project.platform, environment)
    store = operator.store
    _require_no_release(store, sha256)
    bundle = bundles.read(data, sha256)
    with unpacked(bundle, environment.name, environ, project.redactor) as found:
        _require_fits(bundle, project.platform.name, environment, found.environment)
        for _ in range(_ATTEMPTS):
            others = _newest(store)
            open_ = [each for each in others if each.state == "open"]
            if same := next((each for each in open_ if each.bundle == bundle.sha256), None):
                found.place(store, same)
                return Opened(same, False, _plans(found), rules_for(store, same, found.environment))
            _tell_of_image(operator, found.environment)
            _require_open(in_the_way(others), environment)  # before plans are made, which takes its time
            number = max(store.numbers(), default=0) + 1
            plans = _planned(found, operator, number)
            former = to_carry_on(others)
            opening = may_open(plans, others, {former.number: _plans_of(store, former)} if former else {})
            _require_open(opening.gate, environment)
            release = _release(found, bundle, operator, number, plans, soak, opening.supersedes, dry_run)
            if dry_run:
                return Opened(release, True, plans, rules_for(store, release, found.environment))
            store.put(bundle.data)
            carried_on = former if opening.supersedes else None
            if (not carried_on or _superseded(operator, carried_on, number)) and store.create(release):
                return Opened(release, True, plans, rules_for(store, release, found.environment))
    raise Unavailable(f"others open releases of {environment.name} all the time")


def _require_no_release(store: ReleaseStore, sha256: str) -> None:
    """Raise Refused where what a bundle has to be is the digest of a release: both are called a digest."""
    for each in _newest(store) if sha256 else ():
        if each.digest == sha256:
            raise Refused(
                f"{sha256} is the digest of release {each.number}, and not of a bundle",
                because=f"that is of its bundle and of its plans; the SHA-256 of its bundle is {each.bundle}",
                try_="name what `release build` printed",
            )


def _tell_of_image(operator: Operator, environment: Environment) -> None:
    """Say what is not known yet where a task carries out the files of its image."""
    if environment.has_runs and environment.files == "image":
        operator.tell(
            "whether the task's image has these files is told by the first command that it carries out:"
            " one with others is refused"
        )


def _newest(store: ReleaseStore) -> Sequence[Release]:
    return [found for each in store.numbers()[-20:] if (found := store.load(each))]


def _require_fits(bundle: Bundle, platform: str, environment: Environment, own: Environment) -> None:
    """Raise Refused for a bundle of another platform, of another seedbed, or of files that no commit has."""
    index = bundle.index
    if index.platform != platform:
        raise Refused(
            f"the bundle is of {index.platform}, and this is {platform}",
            because="a release is of one platform",
            try_="name the bundle of this platform",
        )
    if index.seedbed != __version__:
        raise Refused(
            f"seedbed {index.seedbed} built the bundle, and this is seedbed {__version__}",
            because="a release is built and carried out by one version",
            try_=f"install seedbed {index.seedbed}, or build the bundle with {__version__}",
        )
    if environment.protected and index.is_dirty:
        raise Refused(
            f"{environment.name} is protected, and what is in this bundle is in no commit",
            because="it was built where files differ from the commit, or where there is none",
            try_="commit, and build it from a clean checkout",
        )
    for what in ("account", "region", "protected", "access"):
        here, there = getattr(environment, what), getattr(own, what)
        if here != there:
            raise Refused(
                f"{environment.name} is another one in the bundle than here",
                because=f"its {what} is {there or 'not said'} there, and {here or 'not said'} here",
                try_="check out what the bundle was built from",
            )


def _planned(found: Unpacked, operator: Operator, number: int) -> dict[Phase, PlanDocument]:
    """Return the plans through each phase, made by commands on the bundle. Raises what their exit codes mean."""
    for name, phase in PHASES.items():
        file = found.plan_file(name)
        file.unlink(missing_ok=True)
        command = commands.planning(found.environment.name, number, phase, file, found.assembly)
        operator.tell(f"making the plan through {phase.value}")
        ended = found.seedbed(command.words, operator.stop)
        operator.stop.check()
        # What a later phase meets is not there yet: what the target rejects now, it need not reject then.
        if ended.code and not (
            file.is_file() and ended.code == Refused.exit_code and phase is not Phase.EXPAND
        ):
            raise failure(f"plan --through {phase.value}", ended, f"release {number} is not opened")
    return _plans(found)


def _plans(found: Unpacked) -> dict[Phase, PlanDocument]:
    return {phase: found.plan(name) for name, phase in PHASES.items() if found.plan_file(name).is_file()}


def _plans_of(store: ReleaseStore, release: Release) -> dict[Phase, PlanDocument]:
    steps = [each for each in release.steps if each.plan]
    return {PHASES[each.name]: decoded(store.get(each.plan), each.name) for each in steps}


def _release(
    found: Unpacked,
    bundle: Bundle,
    operator: Operator,
    number: int,
    plans: Mapping[Phase, PlanDocument],
    soak: float | None,
    supersedes: int,
    dry_run: bool,
) -> Release:
    platform = found.project.platform
    rules = rules_before(operator.store, number, found.environment, supersedes).rules
    data = {phase: found.plan_file(name).read_bytes() for name, phase in PHASES.items()}
    keep = digest_of if dry_run else operator.store.put
    loads = not found.environment.protected and looking.has_reference_data(found.project)
    verifies = bool(platform.references or platform.expectations or rules.checks)
    return Release(
        environment=found.environment.name,
        number=number,
        bundle=bundle.sha256,
        platform_digest=bundle.index.platform_digest,
        commit=bundle.index.commit,
        images=bundle.index.images,
        manifest=keep(found.manifest),
        opened_by=operator.who,
        opened=operator.store.now(),
        soak=soak_of(rules, soak, protected=found.environment.protected),
        steps=steps_of(
            plans, {phase: keep(each) for phase, each in data.items()}, verifies=verifies, loads=loads
        ),
        supersedes=supersedes,
    )


def _require_open(gate: Gate | None, environment: Environment) -> None:
    if gate is not None and not gate.is_open:
        raise GateClosed(
            f"{environment.name} takes no other release now", because=gate.because, try_=gate.try_
        )


def _superseded(operator: Operator, soaking: Release, number: int) -> bool:
    """End the release that is carried on; return whether it is still as it was when that was decided.

    First of all: from then on it takes no step. Killed behind this, no release is open, and the next one that can be
    carries it on.
    """
    if soaking.state == "superseded":
        return True
    because = f"release {number} carries it on"
    return operator.store.replace(end(soaking, "superseded", operator.who, operator.store.now(), because))
