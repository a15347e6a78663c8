"""Files against history: what is pending, and where the two contradict each other.

History is linear. A database has a prefix of its files, in version order, and what is pending comes after. The
exceptions are declared: an expand that overtakes a waiting contract, or `--allow-out-of-order`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from seedbed.errors import Hint, HistoryConflict, Location, call, raise_errors
from seedbed.model.history import History, Revision
from seedbed.model.migration import MigrationFile
from seedbed.planning.edits import ParseFile, edited, may_be_edited


class ConflictKind(StrEnum):
    EDITED = "edited"
    MISSING = "missing"
    OUT_OF_ORDER = "out_of_order"


class Conflict(Struct, frozen=True):
    """One contradiction between files and history."""

    kind: ConflictKind
    version: str
    error: HistoryConflict


def order(version: str) -> int:
    """Return the number by which versions sort; `007` and `7` are the same."""
    return int(version)


def conflicts(
    database: str, history: History, files: Sequence[MigrationFile], parse: ParseFile | None = None
) -> list[Conflict]:
    """Return every contradiction between `files` and `history`, in version order.

    `parse` is asked about the file of a migration that was begun and edited since; without it, that is one.
    """
    known = {order(each.version): each for each in files}
    recorded = {order(each.version): each for each in history.revisions}
    found = [
        *_edited(database, history, known, parse),
        *(_missing(database, each) for number, each in recorded.items() if number not in known),
        *_out_of_order(database, history, files, recorded.keys()),
    ]
    return sorted(found, key=lambda each: order(each.version))


def _edited(
    database: str, history: History, known: dict[int, MigrationFile], parse: ParseFile | None
) -> Iterable[Conflict]:
    for revision in history.revisions:
        file = known.get(order(revision.version))
        if file and file.checksum != revision.checksum and not may_be_edited(revision, file, parse):
            yield Conflict(ConflictKind.EDITED, file.version, edited(database, revision, file, parse))


def _missing(database: str, revision: Revision) -> Conflict:
    error = HistoryConflict(
        f"{database} has {revision.label}, but its file is not here",
        because="it was deleted, renamed to another version, or belongs to a branch that is not checked out",
        try_=Hint(
            "bring the file back, or forget the record: ",
            call("repair", revision.version, "--forget", about=database),
        ),
    )
    return Conflict(ConflictKind.MISSING, revision.version, error)


def _out_of_order(
    database: str, history: History, files: Sequence[MigrationFile], recorded: Iterable[int]
) -> Iterable[Conflict]:
    applied = sorted(history.applied, key=lambda each: order(each.version), reverse=True)
    if not applied:
        return
    have = set(recorded)
    newest = order(applied[0].version)
    for file in files:
        number = order(file.version)
        if number in have or number > newest:
            continue
        passed = [each for each in applied if order(each.version) > number and not _overtook(each, number)]
        if passed:
            yield Conflict(
                ConflictKind.OUT_OF_ORDER, file.version, _out_of_order_error(database, file, passed[-1])
            )


def _overtook(revision: Revision, number: int) -> bool:
    return any(order(each) == number for each in revision.overtakes)


def _out_of_order_error(database: str, file: MigrationFile, passed: Revision) -> HistoryConflict:
    label = f"{file.version}_{file.name}"
    return HistoryConflict(
        f"{label} would run after {passed.label}, which {database} has already applied",
        because="it was merged later but carries an earlier version",
        try_=Hint(
            "give it a version that is the last: ",
            call("new", "--rebase", file.version, about=database),
            "; or run it where it is: ",
            call("apply", "--allow-out-of-order", about=database),
        ),
        at=Location(file.path),
    )


def pending(
    database: str,
    history: History,
    files: Sequence[MigrationFile],
    *,
    out_of_order: bool = False,
    parse: ParseFile | None = None,
) -> tuple[MigrationFile, ...]:
    """Return the files that are still to be applied or finished, in version order.

    Raises HistoryConflict where files and history contradict each other; `out_of_order` accepts files that
    are out of order, `parse` is that of `conflicts`.
    """
    raise_errors(
        conflict.error
        for conflict in conflicts(database, history, files, parse)
        if not (conflict.kind is ConflictKind.OUT_OF_ORDER and out_of_order)
    )
    applied = {order(each.version) for each in history.applied}
    return tuple(each for each in files if order(each.version) not in applied)
