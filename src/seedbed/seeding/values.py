"""Values of a row as a file has them -> values that every engine knows, references resolved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID

from seedbed.errors import Location
from seedbed.model.seed import Row
from seedbed.seeding.given import error
from seedbed.seeding.keys import resolve
from seedbed.support.phrases import shorten

SCALARS = frozenset({type(None), bool, int, float, Decimal, bytes})  # in every engine as they are
DEEPEST = 100  # lists and dicts in each other; DynamoDB takes 32 levels, OpenSearch 20 of fields
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def row(values: Iterable[object], platform: str, path: str, line: int) -> Row:
    """Return `values` in the types that every engine knows, references resolved. Raises SeedFileError."""
    return tuple(
        [value if type(value) in SCALARS else _settled(value, platform, path, line) for value in values]
    )


def _settled(value: object, platform: str, path: str, line: int, depth: int = 0) -> object:
    kind = type(value)  # most are of a type itself, and of no subclass: a match would ask for each in turn
    if kind in SCALARS:
        return value
    if isinstance(value, str):
        text = value if value.isascii() and "\0" not in value else _encodable(value, path, line)
        return resolve(text, platform, at=Location(path, line)) if text.startswith("@") else text
    if depth == DEEPEST:
        raise error(
            path, line, "the values are nested too deeply to be data", f"{DEEPEST} levels are the most"
        )
    if isinstance(value, list | tuple):
        return [_settled(each, platform, path, line, depth + 1) for each in value]
    if isinstance(value, dict | Mapping):
        return {
            _name(key, path, line): _settled(each, platform, path, line, depth + 1)
            for key, each in value.items()
        }
    match value:
        case int() | float() | Decimal() | bytes():
            return value
        case UUID():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
    raise error(
        path,
        line,
        f"a value is of type {type(value).__name__}",
        "a row holds None, bool, int, float, Decimal, str, bytes, UUID, dates, lists and dicts",
    )


def resolved(values: Iterable[object], platform: str, path: str, line: int) -> Row:
    """Return `values` with the keys that references (`@user.users:ana`) stand for. Raises SeedFileError."""
    at = Location(path, line)
    return tuple([resolve(value, platform, at=at) for value in values])


def _name(key: object, path: str, line: int) -> str:
    if isinstance(key, str):
        return _encodable(key, path, line)
    raise error(path, line, f"a name is {key!r}", "the keys of a dict are strings")


def _encodable(text: str, path: str, line: int) -> str:
    r"""Return `text`; half a surrogate pair (`"\ud800"`) is not a character, and NUL no text to most engines."""
    if wrong := _NO_TEXT.search(text):
        what = "a NUL" if wrong[0] == "\0" else f"half a surrogate pair, U+{ord(wrong[0]):04X}"
        before = shorten(text[: wrong.start()], 40)
        raise error(
            path, line, "a value is not text", f"it holds {what}" + (f" after “{before}”" if before else "")
        )
    return text
