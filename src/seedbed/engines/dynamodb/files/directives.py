"""The facts of a migration: what the comments at its top say, checked against each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct, field

from seedbed.errors import Location, MigrationFileError
from seedbed.model.facts import REPEATABLE, Fact, parse_facts
from seedbed.model.headers import Header as Common
from seedbed.model.headers import read_common, require_form

PAGE = 90  # items that fit into one transaction with their checkpoint
_BATCH, _LARGEST_BATCH = 250, 1000  # items in a page that is written one by one
_MOST_SEGMENTS = 64
_MOST_UNITS = 1_000_000
_MOST_VERSION = 999_999_999
FACTS = frozenset(
    {
        "batch",
        "from",
        "needs",
        "read_units",
        "repeatable",
        "segments",
        "table",
        "to",
        "transaction",
        "write_units",
    }
)
_NUMBERS: Mapping[str, tuple[int, int]] = {
    "batch": (1, _LARGEST_BATCH),
    "from": (1, _MOST_VERSION),
    "to": (1, _MOST_VERSION),
    "segments": (1, _MOST_SEGMENTS),
    "read_units": (1, _MOST_UNITS),
    "write_units": (1, _MOST_UNITS),
}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_NEED = re.compile(r"[A-Za-z0-9_-]{1,255}(\.[A-Za-z0-9_.-]{3,255})?")
_DIGITS = re.compile(r"[0-9]{1,9}", re.ASCII)


class Mode(StrEnum):
    """How a transformation comes to be exactly once: by the items' version, by itself, or by its checkpoint."""

    VERSIONED = "versioned"
    REPEATABLE = "repeatable"
    PAGED = "paged"


class Header(Struct, frozen=True):
    """What the facts of a file say, each for itself checked. `facts`: those that may be said once, by key."""

    path: str
    facts: Mapping[str, Fact]
    common: Common
    table: str
    batch: int = _BATCH
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_repeatable(self) -> bool:
        return "repeatable" in self.facts

    @property
    def is_transaction(self) -> bool:
        return "transaction" not in self.facts or self.facts["transaction"].value == "true"

    def line(self, key: str) -> int:
        return self.facts[key].line


def mode(header: Header) -> Mode:
    if "from" in header.facts:
        return Mode.VERSIONED
    return Mode.REPEATABLE if header.is_repeatable else Mode.PAGED


def read_header(path: str, lines: Iterable[tuple[int, str]]) -> Header:
    """Return what the facts in `lines` say, each with its number. Raises MigrationFileError."""
    facts = parse_facts(lines, path, repeatable=REPEATABLE | {"needs"})
    common = read_common(facts, path, own=FACTS)
    for fact in facts:
        _require_form(path, fact)
    single = {each.key: each for each in facts if each.key not in REPEATABLE | {"needs"}}
    if "table" not in single:
        raise MigrationFileError(
            "the file does not say which table it is about",
            because="every migration of DynamoDB names one",
            try_="# seedbed: table=courses",
            at=Location(path, facts[0].line if facts else 1),
        )
    header = Header(
        path=path,
        facts=single,
        common=common,
        table=single["table"].value,
        settings=_settings(facts),
    )
    return _with_batch(header)


def require_transformation(path: str, header: Header) -> None:
    """Refuse facts that contradict each other in a migration of items. Raises MigrationFileError."""
    facts = header.facts
    if "transaction" in facts:
        raise _error(
            path,
            facts["transaction"],
            "`transaction` has no meaning for a function of items",
            "its pages are committed one by one, with their checkpoints",
        )
    if ("from" in facts) != ("to" in facts):
        said, missing = ("from", "to") if "from" in facts else ("to", "from")
        raise _error(
            path,
            facts[said],
            f"`{facts[said]}` is said and `{missing}` is not",
            "both versions of an item are wanted: what it has before, and after",
            "from=1 to=2",
        )
    if "from" in facts:
        _require_versions(path, header)
    if mode(header) is Mode.PAGED and header.batch > PAGE:
        raise _error(
            path,
            facts["batch"],
            f"a page of {header.batch} items is more than one transaction can hold",
            f"it holds {PAGE} and their checkpoint; without versions and not repeatable, they are committed together",
            f"batch={PAGE}, or from=1 to=2, or repeatable because …",
        )


def require_free_form(path: str, header: Header) -> None:
    """Refuse facts that mean nothing in a migration of a table. Raises MigrationFileError."""
    for key in ("from", "to", "batch", "segments", "read_units", "write_units"):
        if key in header.facts:
            raise _error(
                path,
                header.facts[key],
                f"`{key}` has no meaning for a function of a table",
                "it belongs to a function that is called for every item",
                "def up(item): …",
            )
    if header.is_repeatable and header.is_transaction:
        raise _error(
            path,
            header.facts["repeatable"],
            "`repeatable` has no meaning for one transaction",
            "it commits with its record, so that it never has to be run again",
            "remove it, or say transaction=false",
        )


def _require_versions(path: str, header: Header) -> None:
    before, after = header.facts["from"], header.facts["to"]
    if int(after.value) <= int(before.value):
        raise _error(
            path,
            after,
            f"`{before} {after}` leads nowhere",
            "an item's version grows, mostly by one",
            f"from={before.value} to={int(before.value) + 1}",
        )
    if header.is_repeatable:
        raise _error(
            path,
            header.facts["repeatable"],
            f"`repeatable` beside `{before} {after}`",
            "the items' version already says which of them are done",
            "remove one of the two",
        )


def _with_batch(header: Header) -> Header:
    """Return `header` with the size of a page: as said, or what its mode allows."""
    from msgspec.structs import replace

    if "batch" in header.facts:
        return replace(header, batch=int(header.facts["batch"].value))
    return replace(header, batch=PAGE if mode(header) is Mode.PAGED else _BATCH)


def _settings(facts: Iterable[Fact]) -> dict[str, str]:
    settings = {
        each.key: each.value
        for each in facts
        if each.key in {"table", "segments", "read_units", "write_units", "from", "to"}
    }
    needs = dict.fromkeys(each.value for each in facts if each.key == "needs")
    return {**settings, "needs": ",".join(needs)} if needs else settings


def _require_form(path: str, fact: Fact) -> None:
    """Refuse one of our own facts whose value is not of its kind."""
    match fact.key:
        case "repeatable":
            require_form(not fact.value, fact, path, 'repeatable because "…"')
        case "transaction":
            require_form(fact.value in {"true", "false"}, fact, path, "transaction=false")
        case "table":
            require_form(
                _NAME.fullmatch(fact.value) is not None, fact, path, "table=name, as tables.toml has it"
            )
        case "needs":
            require_form(
                _NEED.fullmatch(fact.value) is not None, fact, path, "needs=table or needs=table.index"
            )
        case key if key in _NUMBERS:
            least, most = _NUMBERS[key]
            number = int(fact.value) if _DIGITS.fullmatch(fact.value) else -1
            require_form(least <= number <= most, fact, path, f"{key}={least} to {key}={most}")


def _error(path: str, fact: Fact, what: str, because: str = "", try_: str = "") -> MigrationFileError:
    return MigrationFileError(what, because=because, try_=try_, at=Location(path, fact.line))
