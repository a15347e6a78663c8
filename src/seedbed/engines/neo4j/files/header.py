"""The facts of a file: what the comments at its top say."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from seedbed.engines.neo4j.files.text import Text
from seedbed.model.facts import Fact, parse_facts
from seedbed.model.headers import Header as Common
from seedbed.model.headers import read_common, require_form
from seedbed.model.migration import Backfill

FACTS = frozenset({"backfill", "batch", "repeatable"})
_BATCH, _LARGEST_BATCH = 1000, 100_000  # keys
_DIGITS = re.compile(r"[0-9]{1,6}", re.ASCII)
_WALK = re.compile(r"([^\s.:\[\]`\"]+|\[:[^\s.:\[\]`\"]+\])\.([^\s.:\[\]`\"]+)")
_LOOKS_LIKE_FACTS = re.compile(r"//\s*seedbed:")


class Header(Struct, frozen=True):
    """What the facts of a file say, checked. `lines`: where each fact that is said once stands."""

    common: Common
    lines: dict[str, int]
    is_repeatable: bool = False
    backfill: Backfill | None = None


def read_header(text: Text, lines: Iterable[tuple[int, str]]) -> Header:
    """Return what the facts in `lines` say, each with its number. Raises MigrationFileError."""
    facts = parse_facts(lines, text.path)
    common = read_common(facts, text.path, own=FACTS)
    single = {each.key: each for each in facts}
    repeatable = single.get("repeatable")
    require_form(repeatable is None or not repeatable.value, repeatable, text.path, 'repeatable because "…"')
    return Header(
        common,
        {key: fact.line for key, fact in single.items()},
        repeatable is not None,
        _backfill(text, single.get("backfill"), single.get("batch")),
    )


def looks_like_facts(comment: str) -> bool:
    return _LOOKS_LIKE_FACTS.match(comment) is not None


def _backfill(text: Text, fact: Fact | None, batch: Fact | None) -> Backfill | None:
    if fact is None:
        if batch is not None:
            raise text.error(
                batch.line,
                f"`{batch}` belongs to no backfill",
                "",
                "// seedbed: backfill=Label.key batch=1000",
            )
        return None
    found = _WALK.fullmatch(fact.value)
    form = "backfill=Label.key or backfill=[:TYPE].key, names as they are stored and without quotes"
    require_form(found is not None, fact, text.path, form)
    assert found is not None  # for mypy
    keys = _BATCH
    if batch is not None:
        keys = int(batch.value) if _DIGITS.fullmatch(batch.value) else 0
        require_form(1 <= keys <= _LARGEST_BATCH, batch, text.path, f"batch=1 to batch={_LARGEST_BATCH}")
    return Backfill(found[1], found[2], keys)
