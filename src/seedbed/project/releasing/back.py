"""Taking a release back: the former code first, then what the release applied, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from seedbed.documents.plan import PlanDocument
from seedbed.errors import Hint, LeaseLost, Refused, SeedbedError, call, exit_code
from seedbed.model.release import SNAPSHOT, Release, StepName
from seedbed.planning.releases import end
from seedbed.project.releasing import looking
from seedbed.project.releasing.claim import Claim, holding
from seedbed.project.releasing.facts import chosen, require_open
from seedbed.project.releasing.going import Operator, document_of, failure
from seedbed.project.releasing.unpacked import Unpacked, unpacked
from seedbed.releases import bundle as bundles
from seedbed.support.phrases import count, moment

if TYPE_CHECKING:
    from seedbed.project.project import Project


class Undo(Struct, frozen=True):
    """What is reverted on a database: the newest `versions`, which are the release's own."""

    database: str
    versions: tuple[str, ...]

    def words(self, environment: str, *more: str) -> tuple[str, ...]:
        service, _, engine = self.database.partition("/")
        steps = ("--steps", str(len(self.versions)))
        return ("revert", "-e", environment, "-s", service, "--engine", engine, *steps, *more, "--json")


def go_back(
    project: Project,
    environment: str,
    operator: Operator,
    environ: Mapping[str, str],
    number: int | None = None,
    *,
    keep_migrations: bool = False,
) -> Release:
    """Take a release back, and return it as it ended.

    Raises Refused where its contract has begun, and for what is irreversible: then nothing was touched.
    """
    store = operator.store
    release = chosen(store, environment, number)
    require_open(release)
    _require_before_contract(release)
    bundle = bundles.read(store.get(release.bundle), release.bundle)
    with unpacked(bundle, environment, environ, project.redactor) as found:
        found.place(store, release)
        undos = [] if keep_migrations else _undos(found, operator)
        for each in undos:
            _require_reversible(found, operator, each)
        with holding(store, release, operator.who, beat=operator.beat) as claim:
            _taken_back(found, operator, claim, undos)
    now = store.now()
    last = store.load(release.number) or release
    ended = end(last, "returned", operator.who, now, "migrations stayed" if keep_migrations else "")
    return ended if store.replace(ended) else store.load(release.number) or ended


def _require_before_contract(release: Release) -> None:
    contract = release.step(StepName.CONTRACT)
    if not contract.began:
        return
    kept = [each.text for each in release.step(StepName.SNAPSHOT).evidence if each.kind == SNAPSHOT]
    since = moment(datetime.fromtimestamp(contract.began, UTC))
    raise Refused(
        f"release {release.number} cannot be taken back: its contract has begun",
        because=f"what it removes comes back from a snapshot alone, without what was written since {since}: "
        + ("; ".join(kept) or "and there is none of this release"),
        try_="restore beside, and copy back what is missing; or go forward with another release",
    )


def _undos(found: Unpacked, operator: Operator) -> list[Undo]:
    """Return what of the release's migrations is applied, by database, the one that was applied last first."""
    there = found.environment.name
    ended = found.seedbed(("status", "-e", there, "--json", *_fresh(found)), operator.stop)
    operator.stop.check()
    if ended.code:
        raise failure("status", ended, "the release is not taken back")
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
        raise failure(f"revert --dry-run of {undo.database}", ended, "the release is not taken back")
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


def _taken_back(found: Unpacked, operator: Operator, claim: Claim, undos: Sequence[Undo]) -> None:
    release, changed = claim.release, False
    try:
        if release.step(StepName.CODE).began:
            former = _former_images(operator, release)
            back = looking.bringing(
                release, found.rules.code, found, operator.stop, operator.tell, operator.store.now
            ).taken_back(former)
            operator.tell(back.text)
            changed = True
        for each in undos:
            claim.confirm()
            words = each.words(found.environment.name, "--unreviewed", "--yes")
            operator.tell(f"$ seedbed {' '.join(words)}")
            ended = found.seedbed(words, operator.stop)
            changed = changed or bool(document_of(ended).get("changed"))
            operator.stop.check()
            if ended.code:
                raise failure(
                    f"revert of {each.database}", ended, f"release {release.number} is not taken back"
                )
            operator.tell(f"{each.database}: {count(len(each.versions), 'migration')} reverted")
        claim.fail("taken back")
    except LeaseLost:
        raise
    except SeedbedError as error:
        claim.fail(f"while it was taken back: {error.what}")
        error.exit_code = exit_code([error], changed=changed)
        raise


def _former_images(operator: Operator, release: Release) -> Mapping[str, str]:
    """Return the images of the last release that was closed before."""
    store = operator.store
    for number in reversed([each for each in store.numbers() if each < release.number]):
        former = store.load(number)
        if former is not None and former.state == "closed":
            return former.images
    return {}
