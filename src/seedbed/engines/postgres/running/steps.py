"""Where a step's statements begin, which settings they run with, and whether anything of a work is done."""

from __future__ import annotations

from collections.abc import Mapping

from seedbed.engines.postgres.files.placed import line_of
from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.errors import Location
from seedbed.model.history import Revision
from seedbed.model.migration import Migration, Step
from seedbed.support.phrases import pointed_at

_SETTINGS = ("lock_timeout", "statement_timeout")


def settings(migration: Migration, *, local: bool) -> str:
    """Return the SET statements for the session settings that `migration` declares."""
    scope = "LOCAL " if local else ""
    declared: Mapping[str, str] = migration.settings
    return "".join(
        f"SET {scope}{name} = {quoted_text(declared[name])}; " for name in _SETTINGS if name in declared
    )


def place_in(path: str, step: Step, offset: int) -> Location:
    """Return where character `offset` of the step's body stands, and what stands there."""
    at = min(max(offset, 0), len(step.body))
    return Location(path, line_of(step, at), text=pointed_at(step.body, at))


def statement_offset(body: str, index: int) -> int:
    """Return where statement `index` of `body` begins, in characters; 0 where there is none such."""
    return _offset(body, index) or 0


def line_of_statement(step: Step, index: int) -> int:
    """Return the file's line in which statement `index` of the step begins; 0 where it has fewer."""
    offset = _offset(step.body, max(index, 0))
    return 0 if offset is None else line_of(step, offset)


def _offset(body: str, index: int) -> int | None:
    from seedbed.engines.postgres.files.grammar import statement_spans

    spans = statement_spans(body) or [(0, len(body))]
    return spans[index][0] if 0 <= index < len(spans) else None


def is_untouched(revision: Revision | None) -> bool:
    """Return whether nothing of a work is done: then its record is written anew, because its file may have changed."""
    return revision is None or not (revision.step or revision.in_step or revision.checkpoint is not None)
