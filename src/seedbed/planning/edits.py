"""Whether the file of a migration that was begun may be another one now: by what ran of it, never by how much.

What ran is known by its digest. A file that still begins with it goes on after it, whatever else was changed; one that
does not is refused, because nobody could say which of its steps are done.
"""

from __future__ import annotations

from collections.abc import Callable

from seedbed.errors import Command, Hint, HistoryConflict, Location, SeveralErrors, UsageError, call
from seedbed.model.history import Revision, RevisionState
from seedbed.model.migration import Direction, Migration, MigrationFile, digests
from seedbed.support.phrases import count

ParseFile = Callable[[MigrationFile], Migration]


def begins_with_what_ran(revision: Revision, migration: Migration) -> bool:
    """Return whether the finished steps of `revision` are still the first steps of `migration`."""
    known = digests(migration.steps(revision.direction))
    return revision.step < len(known) and known[revision.step] == revision.ran


def may_be_edited(revision: Revision, file: MigrationFile, parse: ParseFile | None) -> bool:
    """Return whether `file` may stand in the place of the one that `revision` was begun with.

    Not while a step is in hand or walks over data: what it has done so far was done as the file said then. A file that
    cannot be parsed may, so that it is this that is reported of it.
    """
    if revision.state is not RevisionState.STARTED or revision.in_step or revision.checkpoint is not None:
        return False
    return _fits(revision, file, parse)


def edited(
    database: str, revision: Revision, file: MigrationFile, parse: ParseFile | None
) -> HistoryConflict:
    """Return that `file` is not the one that `revision` was made with, and how to go on."""
    if revision.state is RevisionState.STARTED:
        return started_and_edited(database, revision, file.path, fits=_fits(revision, file, parse))
    return HistoryConflict(
        _what(database, revision),
        because=f"the file's checksum is {file.checksum[:12]}…, the recorded one {revision.checksum[:12]}…",
        try_=Hint("restore the file and write a new migration, or accept it: ", _accept(revision, database)),
        at=Location(file.path),
    )


def started_and_edited(database: str, revision: Revision, path: str, *, fits: bool) -> HistoryConflict:
    """Return that the file of a migration that is not finished was edited: it is fixed, never restored for good.

    `fits`: whether it begins with what ran.
    """
    number = revision.step + 1
    if revision.in_step:
        because = f"step {number} was begun as the file said then, and whether it took effect is not recorded"
        try_ = Hint(
            "look at the database; if the step did not take effect: ",
            call("repair", revision.version, "--not-applied", about=database),
            "; otherwise undo the edit: ",
            call("apply" if revision.direction is Direction.UP else "revert", about=database),
        )
    elif not fits:
        done = count(revision.step, "step")
        because = f"{done} of it ran, as the file said then, and it does not begin with what ran"
        try_ = Hint("put what ran back as it was, at the beginning; change what comes after it")
    else:
        because = f"a part of step {number} is done, as the file said then"
        try_ = Hint("if the file is right for what is left, accept it: ", _accept(revision, database))
    return HistoryConflict(_what(database, revision), because=because, try_=try_, at=Location(path))


def _what(database: str, revision: Revision) -> str:
    return f"{revision.label} was edited after {database} had {revision.state.value} it"


def _accept(revision: Revision, database: str) -> Command:
    return call("repair", revision.version, "--checksum", about=database)


def _fits(revision: Revision, file: MigrationFile, parse: ParseFile | None) -> bool:
    if revision.step == 0:
        return True
    try:
        return parse is not None and begins_with_what_ran(revision, parse(file))
    except (UsageError, SeveralErrors):
        return True
