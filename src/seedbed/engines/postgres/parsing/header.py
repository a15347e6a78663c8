"""The facts of a file: what the comments at its top say."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct, field

from seedbed.engines.postgres.parsing.text import LONGEST_NAME, Text
from seedbed.engines.postgres.summaries import shortened
from seedbed.errors import MigrationFileError
from seedbed.model.facts import Fact, parse_facts, unknown_fact
from seedbed.model.hazard import Allowance
from seedbed.model.migration import Backfill, Irreversibility, MigrationRef, Phase

_BATCH, _LARGEST_BATCH = 1000, 100_000  # rows
_TIMEOUTS = ("lock_timeout", "statement_timeout")
FACTS = frozenset(
    {"after", "allow", "backfill", "batch", "overtake", "phase", "repeatable", "reverse", *_TIMEOUTS}
)
_DURATION = re.compile(r"(\d{1,18})(us|ms|s|min|h|d)|0", re.ASCII)
_MICROSECONDS = {"us": 1, "ms": 1000, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
_LONGEST_TIMEOUT = (2**31 - 1) * 1000  # microseconds
_PHASES = frozenset(each.value for each in Phase)
_CODE = re.compile(r"[A-Z]+[0-9]+")
_NAME = re.compile(r'[^\s."]+')
_LOOKS_LIKE_FACTS = re.compile(r"(?:--|#)\s*seedbed:")


class Header(Struct, frozen=True):
    """What the facts of a file say, checked."""

    phase: Phase = Phase.EXPAND
    after: tuple[MigrationRef, ...] = ()
    overtakes: tuple[str, ...] = ()
    irreversible: Irreversibility | None = None
    reverse_line: int = 0
    is_repeatable: bool = False
    allows: tuple[Allowance, ...] = ()
    backfill: Backfill | None = None
    settings: dict[str, str] = field(default_factory=dict)


_NO_FACTS = Header()


def read_header(text: Text, lines: Iterable[tuple[int, str]]) -> Header:
    """Return what the facts in `lines` say, each with its number. Raises MigrationFileError."""
    facts = parse_facts(lines, text.path)
    if not facts:
        return _NO_FACTS
    for fact in facts:
        if fact.key not in FACTS:
            raise unknown_fact(fact, FACTS, text.path)
        _insist_on_shape(text, fact)
    single = {each.key: each for each in facts}
    reverse = single.get("reverse")
    return Header(
        phase=Phase(single["phase"].value) if "phase" in single else Phase.EXPAND,
        after=tuple(_ref(text, each) for each in facts if each.key == "after"),
        overtakes=_unique(each.value for each in facts if each.key == "overtake"),
        irreversible=Irreversibility(reverse.because) if reverse else None,
        reverse_line=reverse.line if reverse else 0,
        is_repeatable="repeatable" in single,
        allows=tuple(Allowance(each.value, each.because) for each in facts if each.key == "allow"),
        backfill=_backfill(text, single.get("backfill"), single.get("batch")),
        settings={name: single[name].value for name in _TIMEOUTS if name in single},
    )


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _insist_on_shape(text: Text, fact: Fact) -> None:
    """Refuse a fact whose value is not of its kind, or whose reason is missing."""
    match fact.key:
        case "repeatable":
            _insist(text, fact, not fact.value, 'repeatable because "…"')
        case "reverse":
            _insist(text, fact, fact.value == "none", 'reverse=none because "…"')
        case "allow":
            _insist(text, fact, _CODE.fullmatch(fact.value) is not None, 'allow=PG204 because "…"')
        case "phase":
            _insist(text, fact, fact.value in _PHASES, f"phase={'|'.join(Phase)}")
        case "lock_timeout" | "statement_timeout":
            _insist_on_duration(text, fact)
        case _:
            _insist(text, fact, bool(fact.value), f"{fact.key}=…")
    if fact.key in {"repeatable", "reverse", "allow"} and not fact.because:
        raise text.error(
            fact.line, f"`{fact}` gives no reason", "whoever reads it later wants one", f'{fact} because "…"'
        )


def _insist(text: Text, fact: Fact, condition: bool, form: str) -> None:
    if not condition:
        raise text.error(fact.line, f"`{fact}` is not understood", f"it reads {form}")


def _insist_on_duration(text: Text, fact: Fact) -> None:
    found = _DURATION.fullmatch(fact.value)
    _insist(
        text,
        fact,
        found is not None,
        f"{fact.key}=5s; the units are {', '.join(_MICROSECONDS)}; 0 is for ever",
    )
    assert found is not None  # for mypy
    length = int(found[1]) * _MICROSECONDS[found[2]] if found[1] else 0
    if 0 < length < 1000:
        raise text.error(
            fact.line,
            f"`{fact}` would be no limit at all",
            "PostgreSQL counts milliseconds, and 0 means for ever",
            f"{fact.key}=1ms",
        )
    if length > _LONGEST_TIMEOUT:
        raise text.error(fact.line, f"`{fact}` is more than PostgreSQL can count", "24 days are the most")


def _ref(text: Text, fact: Fact) -> MigrationRef:
    database, _, version = fact.value.rpartition(":")
    _insist(text, fact, bool(version) and "/" in database.strip("/"), "after=service/engine:version")
    return MigrationRef(database, version)


def _backfill(text: Text, fact: Fact | None, batch: Fact | None) -> Backfill | None:
    if fact is None:
        if batch is not None:
            raise text.error(
                batch.line,
                f"`{batch}` belongs to no backfill",
                "",
                "-- seedbed: backfill=table.key batch=1000",
            )
        return None
    parts = fact.value.split(".")
    form = "backfill=table.key or backfill=schema.table.key, as they are stored and without quotes"
    _insist(text, fact, len(parts) in {2, 3} and all(_NAME.fullmatch(each) for each in parts), form)
    for name in parts:
        if len(name.encode()) > LONGEST_NAME:
            raise text.error(
                fact.line,
                f"{shortened(name)} is longer than a name may be",
                f"it may have {LONGEST_NAME} bytes",
            )
    rows = _BATCH
    if batch is not None:
        digits = batch.value if re.fullmatch(r"[0-9]{1,6}", batch.value) else "0"
        _insist(text, batch, 1 <= int(digits) <= _LARGEST_BATCH, f"batch=1 to batch={_LARGEST_BATCH}")
        rows = int(digits)
    table, _, key = fact.value.rpartition(".")
    return Backfill(table, key, rows)


def looks_like_facts(comment: str) -> bool:
    return _LOOKS_LIKE_FACTS.match(comment) is not None


def misplaced_facts(text: Text, line: int, where: str) -> MigrationFileError:
    return text.error(
        line, "facts have no effect here", f"they are read {where}, and nowhere else", "move them there"
    )
