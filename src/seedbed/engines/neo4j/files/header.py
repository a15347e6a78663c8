"""The directives of a file, from the comments at its top."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from seedbed.engines.neo4j.files.text import CypherText
from seedbed.model.directives import Directive, parse_directives
from seedbed.model.headers import Header as Common
from seedbed.model.headers import read_common, require_form
from seedbed.model.migration import Backfill

DIRECTIVES = frozenset({"backfill", "batch", "repeatable"})
_BATCH, _LARGEST_BATCH = 1000, 100_000  # keys
_DIGITS = re.compile(r"[0-9]{1,6}", re.ASCII)
_WALK = re.compile(r"([^\s.:\[\]`\"]+|\[:[^\s.:\[\]`\"]+\])\.([^\s.:\[\]`\"]+)")
_LOOKS_LIKE_DIRECTIVES = re.compile(r"//\s*seedbed:")


class CypherHeader(Struct, frozen=True):
    """The directives of a file, checked. `lines`: of each that may occur once. `is_read`: they could be read."""

    common: Common
    lines: dict[str, int]
    is_repeatable: bool = False
    backfill: Backfill | None = None
    is_read: bool = True


def read_header(text: CypherText, lines: Iterable[tuple[int, str]]) -> CypherHeader:
    """Return the directives in `lines`, each with its number. Raises MigrationFileError."""
    directives = parse_directives(lines, text.path)
    common = read_common(directives, text.path, own=DIRECTIVES)
    single = {each.key: each for each in directives}
    repeatable = single.get("repeatable")
    require_form(repeatable is None or not repeatable.value, repeatable, text.path, 'repeatable because "…"')
    return CypherHeader(
        common,
        {key: directive.line for key, directive in single.items()},
        repeatable is not None,
        _backfill(text, single.get("backfill"), single.get("batch")),
    )


def looks_like_directives(comment: str) -> bool:
    return _LOOKS_LIKE_DIRECTIVES.match(comment) is not None


def _backfill(text: CypherText, directive: Directive | None, batch: Directive | None) -> Backfill | None:
    if directive is None:
        if batch is not None:
            raise text.error(
                batch.line,
                f"`{batch}` belongs to no backfill",
                "",
                "// seedbed: backfill=Label.key batch=1000",
            )
        return None
    found = _WALK.fullmatch(directive.value)
    form = "backfill=Label.key or backfill=[:TYPE].key, names as they are stored and without quotes"
    require_form(found is not None, directive, text.path, form)
    assert found is not None  # for mypy
    keys = _BATCH
    if batch is not None:
        keys = int(batch.value) if _DIGITS.fullmatch(batch.value) else 0
        require_form(1 <= keys <= _LARGEST_BATCH, batch, text.path, f"batch=1 to batch={_LARGEST_BATCH}")
    return Backfill(found[1], found[2], keys)
