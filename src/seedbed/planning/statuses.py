"""The state of every migration of a database: files, history and their contradictions in one list."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seedbed.model.history import History, Revision, RevisionState
from seedbed.model.migration import MigrationFile
from seedbed.model.status import MigrationState, MigrationStatus
from seedbed.planning.edits import ParseFile
from seedbed.planning.pending import Conflict, ConflictKind, conflicts, order
from seedbed.support.phrases import count

_CONFLICTS = {
    ConflictKind.EDITED: MigrationState.EDITED,
    ConflictKind.MISSING: MigrationState.MISSING,
    ConflictKind.OUT_OF_ORDER: MigrationState.OUT_OF_ORDER,
}


def migration_statuses(
    database: str,
    history: History,
    files: Sequence[MigrationFile],
    phase: Callable[[MigrationFile], str],
    parse: ParseFile | None = None,
    checkpoint_text: Callable[[str], str] = "at {}".format,
    *,
    is_in_use: bool = False,
) -> tuple[MigrationStatus, ...]:
    """Return a line for every version that files or history know, in version order.

    `phase` tells the phase of a file that is not applied, empty where it cannot be read; `parse` is that of
    `conflicts`. `checkpoint_text` says how far a migration is that has a checkpoint. `is_in_use`: a run has the
    lease, so that a step that was begun is in its hands.
    """
    wrong = {order(each.version): each for each in conflicts(database, history, files, parse)}
    recorded = {order(each.version): each for each in history.revisions}
    lines = [
        _recorded(revision, wrong.get(number), checkpoint_text, is_in_use=is_in_use)
        for number, revision in recorded.items()
    ] + [
        _pending(file, phase(file), wrong.get(order(file.version)))
        for file in files
        if order(file.version) not in recorded
    ]
    return tuple(sorted(lines, key=lambda each: order(each.version)))


def _recorded(
    revision: Revision,
    conflict: Conflict | None,
    checkpoint_text: Callable[[str], str],
    *,
    is_in_use: bool,
) -> MigrationStatus:
    return MigrationStatus(
        revision.version,
        revision.name,
        _CONFLICTS[conflict.kind] if conflict else _state(revision, is_in_use=is_in_use),
        revision.phase.value,
        revision.applied_at,
        revision.duration_ms,
        conflict.error.because if conflict else _detail(revision, checkpoint_text),
    )


def _state(revision: Revision, *, is_in_use: bool) -> MigrationState:
    if revision.state is RevisionState.APPLIED:
        return MigrationState.APPLIED
    return MigrationState.UNKNOWN if revision.in_step and not is_in_use else MigrationState.STARTED


def _detail(revision: Revision, checkpoint_text: Callable[[str], str]) -> str:
    if revision.state is RevisionState.APPLIED:
        return ""
    checkpoint, steps = revision.checkpoint, count(revision.step, "step")
    where = checkpoint_text(checkpoint) if checkpoint else f"{steps} done"
    return f"{revision.direction.value}, {where}, by {revision.owner}"


def _pending(file: MigrationFile, phase: str, conflict: Conflict | None) -> MigrationStatus:
    state = _CONFLICTS[conflict.kind] if conflict else MigrationState.PENDING
    return MigrationStatus(
        file.version, file.name, state, phase, detail=conflict.error.because if conflict else ""
    )
