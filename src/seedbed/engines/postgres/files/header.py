"""The directives of a file: what the comments at its top say."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial

from msgspec import Struct, field

from seedbed.engines.postgres.files.text import LONGEST_NAME, MigrationText
from seedbed.errors import collected
from seedbed.model.directives import Directive, parse_directives
from seedbed.model.headers import Header as Common
from seedbed.model.headers import read_common, require_form
from seedbed.model.migration import Backfill
from seedbed.support.phrases import one_line

_BATCH, _LARGEST_BATCH = 1000, 100_000  # rows
_TIMEOUTS = ("lock_timeout", "statement_timeout")
DIRECTIVES = frozenset({"backfill", "batch", "repeatable", *_TIMEOUTS})
_DURATION = re.compile(r"(\d{1,18})(us|ms|s|min|h|d)|0", re.ASCII)
_MICROSECONDS = {"us": 1, "ms": 1000, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
_LONGEST_TIMEOUT = (2**31 - 1) * 1000  # microseconds
_NAME = re.compile(r'[^\s."]+')
_LOOKS_LIKE_DIRECTIVES = re.compile(r"(?:--|#)\s*seedbed:")


class MigrationHeader(Struct, frozen=True):
    """What the directives of a file say, checked; `is_read`: they could be read."""

    common: Common = Common()
    irreversible_line: int = 0
    is_repeatable: bool = False
    backfill: Backfill | None = None
    settings: dict[str, str] = field(default_factory=dict)
    is_read: bool = True


_NO_DIRECTIVES = MigrationHeader()


def read_header(text: MigrationText, lines: Iterable[tuple[int, str]]) -> MigrationHeader:
    """Return what the directives in `lines` say, each with its number. Raises MigrationFileError."""
    directives = parse_directives(lines, text.path)
    if not directives:
        return _NO_DIRECTIVES
    common = read_common(directives, text.path, own=DIRECTIVES)
    single = {each.key: each for each in directives}
    repeatable, irreversible = single.get("repeatable"), single.get("irreversible")
    require_form(repeatable is None or not repeatable.value, repeatable, text.path, 'repeatable because "…"')
    timeouts = [single[name] for name in _TIMEOUTS if name in single]
    collected(partial(_require_duration, text, each) for each in timeouts)
    return MigrationHeader(
        common,
        irreversible.line if irreversible else 0,
        repeatable is not None,
        _backfill(text, single.get("backfill"), single.get("batch")),
        {each.key: each.value for each in timeouts},
    )


def _require_duration(text: MigrationText, directive: Directive) -> None:
    found = _DURATION.fullmatch(directive.value)
    require_form(
        found is not None,
        directive,
        text.path,
        f"{directive.key}=5s; the units are {', '.join(_MICROSECONDS)}; 0 is for ever",
    )
    assert found is not None  # for mypy
    length = int(found[1]) * _MICROSECONDS[found[2]] if found[1] else 0
    if 0 < length < 1000:
        raise text.error(
            directive.line,
            f"`{directive}` would be no limit at all",
            "PostgreSQL counts milliseconds, and 0 means for ever",
            f"{directive.key}=1ms",
        )
    if length > _LONGEST_TIMEOUT:
        raise text.error(
            directive.line, f"`{directive}` is more than PostgreSQL can count", "24 days are the most"
        )


def _backfill(text: MigrationText, directive: Directive | None, batch: Directive | None) -> Backfill | None:
    if directive is None:
        if batch is not None:
            raise text.error(
                batch.line,
                f"`{batch}` belongs to no backfill",
                "",
                "-- seedbed: backfill=table.key batch=1000",
            )
        return None
    parts = directive.value.split(".")
    form = "backfill=table.key or backfill=schema.table.key, as they are stored and without quotes"
    require_form(len(parts) in {2, 3} and all(map(_NAME.fullmatch, parts)), directive, text.path, form)
    for name in parts:
        if len(name.encode()) > LONGEST_NAME:
            raise text.error(
                directive.line,
                f"{one_line(name)} is longer than a name may be",
                f"it may have {LONGEST_NAME} bytes",
            )
    rows = _BATCH
    if batch is not None:
        digits = batch.value if re.fullmatch(r"[0-9]{1,6}", batch.value) else "0"
        require_form(
            1 <= int(digits) <= _LARGEST_BATCH, batch, text.path, f"batch=1 to batch={_LARGEST_BATCH}"
        )
        rows = int(digits)
    table, _, key = directive.value.rpartition(".")
    return Backfill(table, key, rows)


def looks_like_directives(comment: str) -> bool:
    return _LOOKS_LIKE_DIRECTIVES.match(comment) is not None
