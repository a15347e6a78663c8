"""Where every migration of a database stands: files, history and their contradictions in one list."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seedbed.model.history import History, Revision, State
from seedbed.model.migration import MigrationFile
from seedbed.model.status import MigrationStatus, Standing
from seedbed.planning.pending import Conflict, ConflictKind, conflicts, order

_CONFLICTS = {
    ConflictKind.EDITED: Standing.EDITED,
    ConflictKind.MISSING: Standing.MISSING,
    ConflictKind.LATE: Standing.LATE,
}


def standings(
    database: str, history: History, files: Sequence[MigrationFile], phase: Callable[[MigrationFile], str]
) -> tuple[MigrationStatus, ...]:
    """Return a line for every version that files or history know, in version order.

    `phase` tells the phase of a file that is not applied, empty where it cannot be read.
    """
    wrong = {order(each.version): each for each in conflicts(database, history, files)}
    recorded = {order(each.version): each for each in history.revisions}
    lines = [_recorded(revision, wrong.get(number)) for number, revision in recorded.items()] + [
        _pending(file, phase(file), wrong.get(order(file.version)))
        for file in files
        if order(file.version) not in recorded
    ]
    return tuple(sorted(lines, key=lambda each: order(each.version)))


def _recorded(revision: Revision, conflict: Conflict | None) -> MigrationStatus:
    return MigrationStatus(
        revision.version,
        revision.name,
        _CONFLICTS[conflict.kind] if conflict else _standing(revision),
        revision.phase.value,
        revision.applied_at,
        revision.duration_ms,
        conflict.error.because if conflict else _detail(revision),
    )


def _standing(revision: Revision) -> Standing:
    if revision.state is State.APPLIED:
        return Standing.APPLIED
    return Standing.UNKNOWN if revision.in_step else Standing.STARTED


def _detail(revision: Revision) -> str:
    if revision.state is State.APPLIED:
        return ""
    where = f"at {revision.checkpoint}" if revision.checkpoint else f"{revision.step} steps done"
    return f"{revision.direction.value}, {where}, by {revision.owner}"


def _pending(file: MigrationFile, phase: str, conflict: Conflict | None) -> MigrationStatus:
    standing = _CONFLICTS[conflict.kind] if conflict else Standing.PENDING
    return MigrationStatus(
        file.version, file.name, standing, phase, detail=conflict.error.because if conflict else ""
    )
