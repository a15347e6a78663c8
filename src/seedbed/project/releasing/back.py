"""Taking a release back: the former code first, then what the release applied, newest first, then what it deployed.

What it deployed stays unless that is asked for: the former code does not use it. From the first change on the record
says that the release is being taken back, so that no step of it is taken any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec import Struct

from seedbed.documents.plan import PlanDocument
from seedbed.errors import Hint, LeaseLost, Refused, SeedbedError, UsageError, call, exit_code
from seedbed.model.release import Evidence, Release, StepName
from seedbed.project.releasing import looking
from seedbed.project.releasing.claim import Claim, holding
from seedbed.project.releasing.cost import after_contract
from seedbed.project.releasing.facts import chosen, facts_of, newest_open, require_open
from seedbed.project.releasing.former import Return, former, returning, stays
from seedbed.project.releasing.going import document_of, failure
from seedbed.project.releasing.operator import Operator
from seedbed.project.releasing.unpacked import Unpacked, unpacked
from seedbed.releases import bundle as bundles
from seedbed.support.phrases import count

if TYPE_CHECKING:
    from seedbed.project.project import Project

_MIGRATIONS_STAYED = "migrations stayed"


class Undo(Struct, frozen=True):
    """What is reverted on a database: the newest `versions`, which are the release's own."""

    database: str
    versions: tuple[str, ...]

    def words(self, environment: str, *more: str) -> tuple[str, ...]:
        service, _, engine = self.database.partition("/")
        steps = ("--steps", str(len(self.versions)))
        return ("revert", "-e", environment, "-s", service, "--engine", engine, *steps, *more, "--json")


class Wanted(Struct, frozen=True):
    """How much is taken back. `keep_migrations`: nothing is reverted; `stacks`: what was deployed, too.

    `confirm` is told what holds data and would be removed, and raises where that is not meant.
    """

    keep_migrations: bool = False
    stacks: bool = False
    confirm: Callable[[Sequence[str]], None] = lambda _: None


def go_back(
    project: Project,
    environment: str,
    operator: Operator,
    environ: Mapping[str, str],
    number: int | None = None,
    wanted: Wanted = Wanted(),  # noqa: B008  it never changes
) -> Release:
    """Take a release back, and return it as it ended. What was begun is gone on with.

    Raises Refused where its contract has begun, and for what is irreversible: then nothing was touched.
    """
    if wanted.stacks and wanted.keep_migrations:
        raise UsageError(
            "--stacks and --keep-migrations cannot be combined",
            because="migrations that stay may need what was deployed for them",
            try_="one of them",
        )
    store = operator.store
    release = _found(operator, environment, number, wanted)
    bundle = bundles.read(store.get(release.bundle), release.bundle)
    with unpacked(bundle, environment, environ, project.redactor) as found, ExitStack() as stack:
        found.place(store, release)
        if release.step(StepName.CONTRACT).began:
            raise after_contract(release, facts_of(store, release, found, operator.who).contracted)
        undos = [] if wanted.keep_migrations or release.state != "open" else _undos(found, operator)
        for each in undos:
            _require_reversible(found, operator, each)
        way = None
        if wanted.stacks:
            way = stack.enter_context(returning(found, store, release, operator.stop))
            if way and way.losing:
                wanted.confirm(way.losing)
        with holding(store, release, operator.who, beat=operator.beat) as claim:
            return _taken_back(found, operator, claim, undos, way, wanted)


def _found(operator: Operator, environment: str, number: int | None, wanted: Wanted) -> Release:
    """Return the release that is taken back: one that is open, or one whose stacks are still to be.

    One whose contract has begun as well, also once it is closed: what a restore costs is said of that one.
    """
    ended = _last_ended(operator) if number is None else None
    release = ended or chosen(operator.store, environment, number)
    if release.step(StepName.CONTRACT).began:
        return release
    if not (wanted.stacks and release.state == "returned"):
        require_open(release)
    elif later := [each for each in operator.store.numbers() if each > release.number]:
        raise Refused(
            f"what release {release.number} deployed is not taken back any more",
            because=f"release {later[0]} was opened since, and builds on it",
            try_="deploy what is wanted by another release",
        )
    return release


def _last_ended(operator: Operator) -> Release | None:
    """Return the newest release where it has ended after its contract began, and no other is open; else None."""
    newest = operator.store.load(max(operator.store.numbers(), default=0))
    is_over = newest is not None and newest.state != "open" and newest.step(StepName.CONTRACT).began
    return newest if is_over and newest_open(operator.store) is None else None


def _undos(found: Unpacked, operator: Operator) -> list[Undo]:
    """Return what of the release's migrations is applied, by database, the one that was applied last first."""
    there = found.environment.name
    ended = found.seedbed(("status", "-e", there, "--json", *_fresh(found)), operator.stop)
    operator.stop.check()
    if ended.code:
        raise failure("status", ended, "the release is not taken back", _AGAIN)
    applied = {
        each["database"]: [
            one["version"] for one in each.get("migrations", ()) if one.get("state") in _APPLIED
        ]
        for each in document_of(ended).get("databases", ())
    }
    plan = found.plan(StepName.MIGRATE)
    own = {each.database: {one.version for one in each.actions} for each in plan.databases}
    undos = [
        Undo(database, tuple(each for each in reversed(applied.get(database, [])) if each in versions))
        for database, versions in own.items()
    ]
    order = _order(plan)
    return sorted((each for each in undos if each.versions), key=lambda each: -order.get(each.database, 0))


_AGAIN = call("release back")
_APPLIED = frozenset({"applied", "started", "unknown", "edited"})


def _fresh(found: Unpacked) -> tuple[str, ...]:
    return ("--fresh",) if found.environment.access == "task" else ()


def _order(plan: PlanDocument) -> dict[str, int]:
    """Return the last stage in which each database has something."""
    return {ref.rpartition(":")[0]: number for number, stage in enumerate(plan.stages) for ref in stage}


def _require_reversible(found: Unpacked, operator: Operator, undo: Undo) -> None:
    """Raise Refused where what would be reverted is irreversible, or is not what the release applied."""
    ended = found.seedbed(undo.words(found.environment.name, "--dry-run"), operator.stop)
    operator.stop.check()
    if ended.code:
        raise failure(f"revert --dry-run of {undo.database}", ended, "the release is not taken back", _AGAIN)
    databases = document_of(ended).get("databases", ())
    versions = tuple(one["version"] for each in databases for one in each.get("actions", ()))
    if set(versions) != set(undo.versions):
        other = sorted(set(versions) ^ set(undo.versions))
        raise Refused(
            f"{undo.database} has other migrations in between: {', '.join(other)}",
            because="a revert takes the newest first, and these are not the release's own",
            try_=Hint(
                "leave what is applied, which the former code does not mind: ",
                call("release back", "--keep-migrations"),
            ),
        )


def _taken_back(
    found: Unpacked,
    operator: Operator,
    claim: Claim,
    undos: Sequence[Undo],
    way: Return | None,
    wanted: Wanted,
) -> Release:
    """Take back what is to be, step by step, and return the release as it ended. Raises what failed."""
    changed = False
    is_open = claim.release.state == "open"
    try:
        if is_open and claim.release.step(StepName.CODE).began:
            _code_back(found, operator, claim.release)
            changed = True
        for each in undos:
            changed = _reverted(found, operator, claim, each) or changed
        if way is not None:
            claim.confirm()
            evidence = [_deployed_back(operator, claim, way)]
        else:
            evidence = [] if wanted.stacks else stays(found, claim.release, operator.store.now())
        for one in evidence:
            operator.tell(one.text)
        because = _MIGRATIONS_STAYED if wanted.keep_migrations else ""
        return claim.taken_back(operator.who, because, evidence)
    except LeaseLost:
        raise
    except SeedbedError as error:
        claim.fail(f"while it was taken back: {error.what}")
        error.exit_code = exit_code([error], changed=changed)
        raise


def _code_back(found: Unpacked, operator: Operator, release: Release) -> None:
    before = former(operator.store, release)
    bringing = looking.bringing(
        release, found.rules.code, found, operator.stop, operator.tell, operator.store.now
    )
    operator.tell(bringing.taken_back(before.images if before else {}).text)


def _reverted(found: Unpacked, operator: Operator, claim: Claim, undo: Undo) -> bool:
    """Revert on one database, and return whether that changed anything. Raises what failed."""
    claim.confirm()
    words = undo.words(found.environment.name, "--unreviewed", "--yes")
    operator.tell(f"$ seedbed {' '.join(words)}")
    ended = found.seedbed(words, operator.stop)
    changed = bool(document_of(ended).get("changed"))
    operator.stop.check()
    if ended.code:
        what = f"release {claim.release.number} is not taken back"
        error = failure(f"revert of {undo.database}", ended, what, _AGAIN)
        error.exit_code = exit_code([error], changed=changed)
        raise error
    operator.tell(f"{undo.database}: {count(len(undo.versions), 'migration')} reverted")
    return changed


def _deployed_back(operator: Operator, claim: Claim, way: Return) -> Evidence:
    operator.tell(f"$ seedbed {' '.join(way.command().words)}, of release {way.release.number}")
    began = operator.store.now()
    ended = way.deploy(operator.stop)
    operator.stop.check()
    if ended.code:
        again = call("release back", str(claim.release.number), "--stacks")
        raise failure("deploy", ended, f"release {claim.release.number} is not taken back", again)
    text = f"deployed as release {way.release.number} has it: {looking.told(document_of(ended))}"
    return Evidence("deploy", "good", text, operator.store.now(), since=began)
