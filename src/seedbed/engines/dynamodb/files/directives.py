"""The directives of a migration: what the comments at its top say, checked against each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct, field

from seedbed.errors import Location, MigrationFileError
from seedbed.model.directives import REPEATABLE, Directive, parse_directives
from seedbed.model.headers import Header as Common
from seedbed.model.headers import read_common, require_form

PAGE = 90  # items that fit into one transaction with their checkpoint
_BATCH, _LARGEST_BATCH = 250, 1000  # items in a page that is written one by one
_MOST_SEGMENTS = 64
_MOST_UNITS = 1_000_000
_MOST_VERSION = 999_999_999
DIRECTIVES = frozenset(
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


class TransformMode(StrEnum):
    """How a transformation comes to be exactly once: by the items' version, by itself, or by its checkpoint."""

    VERSIONED = "versioned"
    REPEATABLE = "repeatable"
    PAGED = "paged"


class TableMigrationHeader(Struct, frozen=True):
    """The directives of a file, each checked by itself. `directives`: those that may be given once, by key."""

    path: str
    directives: Mapping[str, Directive]
    common: Common
    table: str
    batch: int = _BATCH
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_repeatable(self) -> bool:
        return "repeatable" in self.directives

    @property
    def is_transaction(self) -> bool:
        return "transaction" not in self.directives or self.directives["transaction"].value == "true"

    def line(self, key: str) -> int:
        return self.directives[key].line


def mode(header: TableMigrationHeader) -> TransformMode:
    if "from" in header.directives:
        return TransformMode.VERSIONED
    return TransformMode.REPEATABLE if header.is_repeatable else TransformMode.PAGED


def read_header(path: str, lines: Iterable[tuple[int, str]]) -> TableMigrationHeader:
    """Return what the directives in `lines` say, each with its number. Raises MigrationFileError."""
    directives = parse_directives(lines, path, repeatable=REPEATABLE | {"needs"})
    common = read_common(directives, path, own=DIRECTIVES)
    for directive in directives:
        _require_form(path, directive)
    single = {each.key: each for each in directives if each.key not in REPEATABLE | {"needs"}}
    if "table" not in single:
        raise MigrationFileError(
            "the file does not say which table it is about",
            because="every migration of DynamoDB names one",
            try_="# seedbed: table=courses",
            at=Location(path, directives[0].line if directives else 1),
        )
    header = TableMigrationHeader(
        path=path,
        directives=single,
        common=common,
        table=single["table"].value,
        settings=_settings(directives),
    )
    return _with_batch(header)


def require_transformation(path: str, header: TableMigrationHeader) -> None:
    """Refuse directives that contradict each other in a migration of items. Raises MigrationFileError."""
    directives = header.directives
    if "transaction" in directives:
        raise _error(
            path,
            directives["transaction"],
            "`transaction` has no meaning for a function of items",
            "its pages are committed one by one, with their checkpoints",
        )
    if ("from" in directives) != ("to" in directives):
        given, missing = ("from", "to") if "from" in directives else ("to", "from")
        raise _error(
            path,
            directives[given],
            f"`{directives[given]}` is given and `{missing}` is not",
            "both versions of an item are wanted: what it has before, and after",
            "from=1 to=2",
        )
    if "from" in directives:
        _require_versions(path, header)
    if mode(header) is TransformMode.PAGED and header.batch > PAGE:
        raise _error(
            path,
            directives["batch"],
            f"a page of {header.batch} items is more than one transaction can hold",
            f"it holds {PAGE} and their checkpoint; without versions and not repeatable, they are committed together",
            f"batch={PAGE}, or from=1 to=2, or repeatable because …",
        )


def require_free_form(path: str, header: TableMigrationHeader) -> None:
    """Refuse directives that mean nothing in a migration of a table. Raises MigrationFileError."""
    for key in ("from", "to", "batch", "segments", "read_units", "write_units"):
        if key in header.directives:
            raise _error(
                path,
                header.directives[key],
                f"`{key}` has no meaning for a function of a table",
                "it belongs to a function that is called for every item",
                "def up(item): …",
            )
    if header.is_repeatable and header.is_transaction:
        raise _error(
            path,
            header.directives["repeatable"],
            "`repeatable` has no meaning for one transaction",
            "it commits with its record, so that it never has to be run again",
            "remove it, or say transaction=false",
        )


def _require_versions(path: str, header: TableMigrationHeader) -> None:
    before, after = header.directives["from"], header.directives["to"]
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
            header.directives["repeatable"],
            f"`repeatable` beside `{before} {after}`",
            "the items' version already says which of them are done",
            "remove one of the two",
        )


def _with_batch(header: TableMigrationHeader) -> TableMigrationHeader:
    """Return `header` with the size of a page: as given, or what its mode allows."""
    from msgspec.structs import replace

    if "batch" in header.directives:
        return replace(header, batch=int(header.directives["batch"].value))
    return replace(header, batch=PAGE if mode(header) is TransformMode.PAGED else _BATCH)


def _settings(directives: Iterable[Directive]) -> dict[str, str]:
    settings = {
        each.key: each.value
        for each in directives
        if each.key in {"table", "segments", "read_units", "write_units", "from", "to"}
    }
    needs = dict.fromkeys(each.value for each in directives if each.key == "needs")
    return {**settings, "needs": ",".join(needs)} if needs else settings


def _require_form(path: str, directive: Directive) -> None:
    """Refuse one of our own directives whose value is not of its kind."""
    match directive.key:
        case "repeatable":
            require_form(not directive.value, directive, path, 'repeatable because "…"')
        case "transaction":
            require_form(directive.value in {"true", "false"}, directive, path, "transaction=false")
        case "table":
            require_form(
                _NAME.fullmatch(directive.value) is not None,
                directive,
                path,
                "table=name, as tables.toml has it",
            )
        case "needs":
            require_form(
                _NEED.fullmatch(directive.value) is not None,
                directive,
                path,
                "needs=table or needs=table.index",
            )
        case key if key in _NUMBERS:
            least, most = _NUMBERS[key]
            number = int(directive.value) if _DIGITS.fullmatch(directive.value) else -1
            require_form(least <= number <= most, directive, path, f"{key}={least} to {key}={most}")


def _error(
    path: str, directive: Directive, what: str, because: str = "", try_: str = ""
) -> MigrationFileError:
    return MigrationFileError(what, because=because, try_=try_, at=Location(path, directive.line))
