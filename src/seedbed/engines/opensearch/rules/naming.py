"""What a request may call an index, and everything else that has a name: one thing each, known from the file. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.schema.names import HISTORY, is_reserved

_LONGEST = 255  # bytes
_INDEX = re.compile(r"[^\W_][\w.+@~-]*")
_PATTERN = re.compile(r"[^\W_][\w.+@~*-]*")
_OBJECT = re.compile(r"[^\W_][\w.+@~ -]*")
_PATTERNS_ALLOWED = "a pattern is allowed where it begins with letters and removes nothing"


class Complaint(Struct, frozen=True):
    """Why something of a request is refused."""

    what: str
    because: str
    try_: str = ""


def complaint_about(name: str, sort: str) -> Complaint | None:
    """Return why `name` is not the name of one `sort`: "index", "indexes", "alias", "template", "id", …; None if it is.

    "indexes" may be a pattern that begins with letters.
    """
    if sort == "id":
        return None
    if is_reserved(name.strip()):
        return Complaint(
            f"{HISTORY} belongs to seedbed", "a migration that changes it would change the history"
        )
    is_index = sort in {"index", "indexes", "target", "alias", "stream"}
    if name.startswith("<"):
        return Complaint(
            f"{name!r} is another index each day",
            "a migration names the same index in every environment, whenever it runs",
            "write the index out, or use an alias with _rollover",
        )
    if name.startswith("."):
        return Complaint(
            f"{name!r} belongs to the server or a plugin",
            "their names begin with a dot",
            "choose another name",
        )
    if set(name) & set("*?,") or name.startswith(("_", "-")) or not name:
        return _several(name, sort, is_index=is_index)
    if is_index and name != name.lower():
        return Complaint(
            f"{name!r} cannot be the name of an index",
            "OpenSearch accepts lower case only",
            name.lower(),
        )
    if not (_INDEX if is_index else _OBJECT).fullmatch(name) or len(name.encode()) > _LONGEST:
        accepted = "letters, digits, `.`, `_`, `+`, `@`, `~` and `-`, a letter or digit first"
        noun = "index" if is_index else sort
        return Complaint(
            f"{name!r} cannot be the name of {'an' if noun[0] in 'aeiou' else 'a'} {noun}",
            f"a name is {accepted}, {_LONGEST} bytes at most",
        )
    return None


def _several(name: str, sort: str, *, is_index: bool) -> Complaint | None:
    noun = "index" if is_index else sort
    each = f"use one request for each {noun}"
    if "," in name:
        return Complaint(f"{name!r} does not name one {noun}", "it is a list", each)
    if sort != "indexes" or not _PATTERN.fullmatch(name):
        because = f"the meaning of a pattern depends on the {noun}{'es' if is_index else 's'} that exist"
        return Complaint(
            f"{name!r} does not name one {noun}",
            because,
            f"{each}; {_PATTERNS_ALLOWED}" if sort == "indexes" else each,
        )
    if matches_history(name):
        return Complaint(
            f"{name!r} reaches {HISTORY}", "it belongs to seedbed", "a pattern that begins with more letters"
        )
    return None


def is_pattern(name: str) -> bool:
    return "*" in name


def matches_history(pattern: str) -> bool:
    """Return whether `pattern` matches the history's index."""
    return fnmatchcase(HISTORY, pattern)


def listed_names(value: Any) -> Iterator[str]:
    """Yield the names in `value`, a string or a list; what is neither becomes a text that no name is."""
    yield from (str(each) for each in (value if isinstance(value, list) else [value]))


def strings(value: object) -> Iterator[str]:
    """Yield every string in JSON, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (str(each) for each in value)
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
