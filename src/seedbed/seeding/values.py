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

_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def plain(value: object, path: str, line: int) -> object:
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
            return {_name(key, path, line): plain(each, path, line) for key, each in value.items()}
        case list() | tuple():
            return [plain(each, path, line) for each in value]
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
    if _NO_TEXT.search(text):
        raise error(
            path, line, f"{shorten(ascii(text), 60)} is not text", "it holds a NUL or half a surrogate pair"
        )
    return text
