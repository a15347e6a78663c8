"""A seed's file -> rows of one table, or a script in the engine's own language.

`.csv`, `.json` and `.py` mean the same for every engine. Whatever else an engine understands it names in
`scripts`, and only reads it as it loads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import takewhile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from uuid import UUID

from seedbed.errors import Location, MigrationFileError, SeedFileError
from seedbed.model.facts import Fact, parse_facts
from seedbed.model.seed import Rows, Script
from seedbed.seeding.cells import Malformed, Record, records
from seedbed.seeding.documents import read_json
from seedbed.seeding.given import Given, error
from seedbed.seeding.keys import resolve
from seedbed.seeding.programs import run_rows
from seedbed.support.phrases import count, shorten
from seedbed.support.texts import decoded

if TYPE_CHECKING:
    from seedbed.model.migration import Source

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_ORDER = re.compile(r"\d+_")
_COMMENT = re.compile(r"\s*(?:--|//|#|$)")  # in the languages that engines speak
_FACTS = re.compile(r"\s*(?:--|//|#)\s*seedbed:(?P<facts>.*)")


def read(source: Source, *, platform: str, scripts: Collection[str]) -> Rows | Script:
    """Return what `source` holds; a suffix in `scripts` is the engine's own. Raises SeedFileError.

    References (`@user.users:ana`) are resolved in the values of rows; a script is left as it is.
    """
    text = _text(source)
    if source.suffix in scripts:
        return Script(source.path, source, _script_facts(text, source.path))
    match source.suffix:
        case ".csv":
            return _csv(text, source.path, platform)
        case ".json":
            return _json(text, source.path, platform)
        case ".py":
            return _python(text, source.path, platform)
    known = sorted({".csv", ".json", ".py", *scripts})
    raise SeedFileError(
        f"a seed cannot be a {source.suffix or 'file without a suffix'}",
        because=f"this engine reads {', '.join(known)}",
        at=Location(source.path),
    )


def table_of(path: str) -> str:
    """Return the table that a file's name means: its stem without the number that orders it."""
    return _ORDER.sub("", PurePosixPath(path).stem, count=1)


def _text(source: Source) -> str:
    text = decoded(source.data, source.path, SeedFileError)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise error(source.path, line, "the file holds a NUL character", "no engine takes it in text")
    return text


# CSV


def _csv(text: str, path: str, platform: str) -> Rows:
    lines = text.split("\n")
    head = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
    table, key = _table_and_key(_facts(lines[:head], path), path)
    found: list[Record] = []
    try:
        found.extend(records("\n".join(lines[head:]), head + 1))
    except Malformed as wrong:
        raise error(path, wrong.line, str(wrong), "the file is no CSV (RFC 4180)", wrong.hint) from None
    if not found:
        raise error(path, head + 1, "there is no header row", "the first row of a .csv names its columns")
    columns = _header(found[0], path)
    for record in found[1:]:
        _insist_on_width(record, columns, path)
    return Rows(
        path,
        table,
        columns,
        tuple(_resolved(record.fields, platform, path, record.line) for record in found[1:]),
        _known_key(key, columns, path),
        tuple(record.line for record in found[1:]),
    )


def _header(record: Record, path: str) -> tuple[str, ...]:
    names = tuple(name or "" for name in record.fields)
    for name in names:
        if not name or name != name.strip():
            what = f"a column is called {name!r}" if name else "a column has no name"
            raise error(path, record.line, what, "every column is named, without spaces around it")
        if names.count(name) > 1:
            raise error(path, record.line, f"column {name} is there twice", "only one of them can be meant")
    return names


def _insist_on_width(record: Record, columns: Sequence[str], path: str) -> None:
    if len(record.fields) != len(columns):
        more = len(record.fields) > len(columns)
        raise error(
            path,
            record.line,
            f"the row has {count(len(record.fields), 'field')}, the header {len(columns)}",
            f"the columns are {', '.join(columns)}",
            "put fields that hold a comma in quotes" if more else "write a comma for each empty field",
        )


# JSON and Python


def _json(text: str, path: str, platform: str) -> Rows:
    document = read_json(text, path)
    return _from_given(document.rows, path, document.table or table_of(path), document.key, platform)


def _python(text: str, path: str, platform: str) -> Rows:
    table, key = _table_and_key(_facts(_leading(text), path), path)
    return _from_given(run_rows(text, path), path, table, key, platform)


def _from_given(given: Iterable[Given], path: str, table: str, key: tuple[str, ...], platform: str) -> Rows:
    """Return rows whose columns are those of the first one; every other has to have the same."""
    found = tuple(given)
    columns = tuple(found[0].values) if found else ()
    rows = tuple(
        _resolved(_in_order(each, columns, number, path), platform, path, each.line)
        for number, each in enumerate(found, 1)
    )
    return Rows(
        path,
        table,
        columns,
        rows,
        _known_key(key, columns, path) if found else key,
        tuple(each.line for each in found),
    )


def _in_order(given: Given, columns: tuple[str, ...], number: int, path: str) -> tuple[object, ...]:
    if given.values.keys() != set(columns):
        missing = [name for name in columns if name not in given.values]
        extra = [name for name in given.values if name not in columns]
        raise error(
            path,
            given.line,
            f"row {number} has other columns than the first one",
            "; ".join(
                f"{words} {', '.join(names)}"
                for words, names in (("it lacks", missing), ("only it has", extra))
                if names
            ),
            "give every row of a file the same columns, null where there is no value",
        )
    return tuple(_plain(given.values[name], path, given.line) for name in columns)


def _plain(value: object, path: str, line: int) -> object:
    """Return `value` in the types that every engine knows. Raises SeedFileError for any other."""
    match value:
        case None | bool() | int() | float() | Decimal() | bytes():
            return value
        case str():
            return _encodable(value, path, line)
        case UUID():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            return {_name(key, path, line): _plain(each, path, line) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each, path, line) for each in value]
    raise error(
        path,
        line,
        f"a value is of type {type(value).__name__}",
        "a row holds None, bool, int, float, Decimal, str, bytes, UUID, dates, lists and dicts",
    )


def _name(key: object, path: str, line: int) -> str:
    if isinstance(key, str):
        return _encodable(key, path, line)
    raise error(path, line, f"a name is {key!r}", "the keys of a dict are strings")


def _encodable(text: str, path: str, line: int) -> str:
    r"""Return `text`; half a surrogate pair (`"\ud800"`) is no character, and NUL no text to most engines."""
    if _NO_TEXT.search(text):
        raise error(
            path, line, f"{shorten(ascii(text), 60)} is no text", "it holds a NUL or half a surrogate pair"
        )
    return text


def _resolved(values: Iterable[object], platform: str, path: str, line: int) -> tuple[object, ...]:
    at = Location(path, line)
    return tuple(resolve(value, platform, at=at) for value in values)


# Facts


def _facts(lines: Sequence[str], path: str) -> tuple[Fact, ...]:
    """Return the facts in a file's leading comment lines, each of them said once."""
    found = [
        (number, match["facts"]) for number, line in enumerate(lines, 1) if (match := _FACTS.match(line))
    ]
    try:
        facts = parse_facts(found, path)
    except MigrationFileError as wrong:  # facts look alike everywhere, and this file is a seed
        raise SeedFileError(wrong.what, because=wrong.because, try_=wrong.try_, at=wrong.at) from None
    keys = [fact.key for fact in facts]
    for index, fact in enumerate(facts):
        if fact.key in keys[:index]:
            raise error(path, fact.line, f"{fact.key!r} is said twice", "only one of them can be meant")
    return facts


def _script_facts(text: str, path: str) -> dict[str, str]:
    return {fact.key: fact.value for fact in _facts(_leading(text), path)}


def _leading(text: str) -> list[str]:
    """Return the comment lines and empty lines at the head of a program."""
    return list(takewhile(_COMMENT.match, text.split("\n")))


def _table_and_key(facts: Sequence[Fact], path: str) -> tuple[str, tuple[str, ...]]:
    for fact in facts:
        if fact.key not in {"table", "key"}:
            raise error(path, fact.line, f"there is no fact {fact.key!r}", "a seed may say table= and key=")
        if not fact.value:
            raise error(path, fact.line, f"{fact.key!r} says nothing", "it reads table=users or key=a,b")
    said = {fact.key: fact for fact in facts}
    table = said["table"].value if "table" in said else table_of(path)
    return table, _names(said["key"].value, path, said["key"].line) if "key" in said else ()


def _names(text: str, path: str, line: int) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise error(path, line, f"key={text} names no columns", "it is a list of different names: key=a,b")
    return names


def _known_key(key: tuple[str, ...], columns: Sequence[str], path: str) -> tuple[str, ...]:
    for name in key:
        if name not in columns:
            raise error(
                path,
                0,
                f"the key names {name}, which is no column of the file",
                f"its columns are {', '.join(columns)}",
            )
    return key
