"""Trying a snapshot: restored beside, compared with the database, measured, and taken away again."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct, field

from seedbed.engines.snapshots import Snapshots
from seedbed.errors import SeedbedError, raise_errors
from seedbed.execution import expecting
from seedbed.execution.connecting import ConnectedTarget, connect, identity
from seedbed.execution.context import RunContext, this_process
from seedbed.execution.stopping import Stop
from seedbed.model.event import Event
from seedbed.model.history import History
from seedbed.model.platform import Database, Expectation
from seedbed.model.snapshot import Check, Drill, Snapshot, drill_name
from seedbed.model.target import Target
from seedbed.model.verification import Verdict
from seedbed.project.snapshots import ReleaseSnapshots
from seedbed.project.targets import Targets
from seedbed.support.phrases import count, listed


def drill(
    snapshots: ReleaseSnapshots, targets: Targets, database: Database, release: int, *, stop: Stop
) -> Drill:
    """Restore the newest snapshot of a release, check the copy, take it away, and return what was found.

    A copy that an earlier drill left is taken away first: times are those of a whole drill. What goes wrong with the
    copy is a check that failed; that it cannot be restored, or not be taken away, is raised. Raises Interrupted.
    """
    name = drill_name(release)
    with snapshots.one(database) as (service, target):
        snapshots.dropped(service, target.id, name)
        restored = snapshots.restored(service, database, release, name)
        began = time.monotonic()
        try:
            copy = Target(
                target.database, target.environment, target.platform, service.address(restored.copy)
            )
            found = compared(targets, service, target, copy, restored.snapshot, stop)
        finally:
            ended = time.monotonic()
            if stop.code is None:  # else the next drill takes it away, and says so
                snapshots.dropped(service, target.id, name)
        return Drill(
            snapshot=restored.snapshot,
            place=restored.copy.place,
            restoring=restored.seconds,
            checking=ended - began,
            cleaning=time.monotonic() - ended,
            checks=found.checks,
            rows=found.copy,
        )


class Compared(Struct, frozen=True):
    """What was checked of a copy, and how many rows the tables of database and copy have."""

    checks: tuple[Check, ...]
    database: Mapping[str, int] = field(default_factory=dict)
    copy: Mapping[str, int] = field(default_factory=dict)


def compared(
    targets: Targets, service: Snapshots, original: Target, copy: Target, snapshot: Snapshot, stop: Stop
) -> Compared:
    """Return what was checked of `copy`, beside its database. Raises Interrupted, and why that does not answer."""
    context = RunContext(
        this_process(), wait=0, listener=_ignore, stop=stop, environment=original.environment.name
    )
    with (
        connect([original], targets.connector, _ignore, stop=stop) as (ours, failed),
        connect([copy], targets.connector, _ignore, stop=stop, compare=False) as (theirs, failed_copy),
    ):
        raise_errors(failed.values())
        if failed_copy:
            said = next(iter(failed_copy.values()))
            return Compared((Check("connection", False, f"the copy does not answer: {said.what}"),))
        live, restored = ours[0], theirs[0]
        stop.check()
        checks = [_identity(restored), _history(live.history, restored.history)]
        with stop.watching(live.session), stop.watching(restored.session):
            rows, here = service.counts(restored.session), service.counts(live.session)
            is_same = _is_same(live.history, restored.history)
            checks.append(_rows(here, rows, filled=snapshot.filled, is_same=is_same))
        asked = [each for each in targets.catalog.platform.expectations if _is_about(each, original.id)]
        checks += _expectations(asked, restored, context)
    return Compared(tuple(checks), here, rows)


def _identity(copy: ConnectedTarget) -> Check:
    wanted, found = identity(copy.target), copy.history.identity
    if found == wanted:
        return Check("identity", True, f"bound to {found}")
    return Check("identity", False, f"bound to {found or 'nothing'}, and not to {wanted}")


def _history(live: History, copy: History) -> Check:
    """The history of a copy is that of the database, as far as it went then: nothing in it may be unknown."""
    known = {each.version: each.checksum for each in live.revisions}
    if not known:
        return Check(
            "history", True, f"{count(len(copy.revisions), 'migration')}; the database has none any more"
        )
    odd = [each.version for each in copy.revisions if known.get(each.version) != each.checksum]
    if odd:
        return Check(
            "history", False, f"{listed(odd)} is not in the database's history as it is in the copy's"
        )
    behind = len(known) - len(copy.revisions)
    more = f", {behind} fewer than the database has now" if behind > 0 else ""
    return Check("history", bool(copy.revisions), f"{count(len(copy.revisions), 'migration')}{more}")


def _rows(
    live: Mapping[str, int], copy: Mapping[str, int], *, filled: Collection[str] | None, is_same: bool
) -> Check:
    """Between the snapshot and now rows come and go: more now than then is no fault. What had rows then has some.

    Where the snapshot does not say what had, a table has to be there, with rows or without: one that the copy does not
    have may have been made since, unless both have the same history.
    """
    only_now = sorted(name for name, number in live.items() if number and not copy.get(name))
    if filled is None and (gone := [each for each in only_now if is_same and each not in copy]):
        return Check("rows", False, f"{listed(gone)} has rows in the database, and none in the copy")
    if lost := sorted(each for each in filled or () if not copy.get(each)):
        return Check("rows", False, f"{listed(lost)} had rows in the snapshot, and none in the copy")
    said = f"{count(sum(copy.values()), 'row')} in {count(len(copy), 'table')}"
    return Check("rows", True, f"{said}; rows only now: {listed(only_now)}" if only_now else said)


def _is_same(live: History, copy: History) -> bool:
    """Return whether nothing was migrated, forth or back, since the snapshot, as far as both know."""

    def far(history: History) -> list[tuple[str, str, str, str, int]]:
        return [
            (each.version, each.checksum, each.state, each.direction, each.step) for each in history.revisions
        ]

    return far(live) == far(copy)


def _is_about(expectation: Expectation, database: str) -> bool:
    return all(each == database for each in expectation.databases)


def _expectations(asked: Sequence[Expectation], copy: ConnectedTarget, context: RunContext) -> list[Check]:
    checks = []
    for each in expecting.verify(asked, [copy], {}, context):
        is_good = each.verdict in {Verdict.OK, Verdict.TOLERATED}
        said = each.error.what if isinstance(each.error, SeedbedError) else each.verdict.value
        checks.append(
            Check(f"expectation {each.expectation.name}", is_good, f"{each.expectation.name}: {said}")
        )
    return checks


def _ignore(_: Event) -> None:
    """What happens to the two sessions is in the checks."""
