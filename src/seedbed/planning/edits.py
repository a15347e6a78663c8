"""Whether the file of a migration that was begun may be another one now: by what ran of it, never by how much.

What ran is known by its digest. A file that still begins with it goes on after it, whatever else was changed; one that
does not is refused, because nobody could say which of its steps are done.
"""

from __future__ import annotations

from collections.abc import Callable

from seedbed.errors import SeveralErrors, UsageError
from seedbed.model.history import Revision, RevisionState
from seedbed.model.migration import Migration, MigrationFile, digests

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
    if revision.step == 0:
        return True
    try:
        return parse is not None and begins_with_what_ran(revision, parse(file))
    except (UsageError, SeveralErrors):
        return True
