"""What the comments at the head of a seed's file say: `seedbed: table=people key=id`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import PurePosixPath

from seedbed.errors import SeedFileError
from seedbed.model.directives import Directive, parse_directives
from seedbed.seeding.given import error

_ORDER = re.compile(r"\d+_")
_COMMENT = re.compile(r"\s*(?:--|//|#|$)")  # in the languages that engines speak
_DIRECTIVES = re.compile(r"\s*(?:--|//|#)\s*seedbed:(?P<directives>.*)")


def table_of(path: str) -> str:
    """Return the table that a file's name means: its stem without the number that orders it."""
    return _ORDER.sub("", PurePosixPath(path).stem, count=1)


def leading(text: str) -> list[str]:
    """Return the comment lines and empty lines at the head of a program."""
    return list(takewhile(_COMMENT.match, text.split("\n")))


def directives(lines: Iterable[str], path: str) -> tuple[Directive, ...]:
    """Return the directives in a file's leading comment lines, each of them said once. Raises SeedFileError."""
    found = [
        (number, match["directives"])
        for number, line in enumerate(lines, 1)
        if (match := _DIRECTIVES.match(line))
    ]
    return parse_directives(found, path, error=SeedFileError)


def table_and_key(lines: Iterable[str], path: str) -> tuple[str, tuple[str, ...]]:
    """Return the table and the key of rows, from the comment lines of their file and its name. Raises SeedFileError."""
    said: dict[str, Directive] = {}
    for each in directives(lines, path):
        if each.key not in {"table", "key"}:
            raise error(
                path, each.line, f"there is no directive {each.key!r}", "a seed may say table= and key="
            )
        if not each.value:
            raise error(path, each.line, f"{each.key!r} says nothing", "it reads table=users or key=a,b")
        said[each.key] = each
    table = said["table"].value if "table" in said else table_of(path)
    return table, _names(said["key"], path) if "key" in said else ()


def known_key(key: tuple[str, ...], columns: Sequence[str], path: str) -> tuple[str, ...]:
    """Return `key`. Raises SeedFileError unless all of it are `columns`."""
    for name in key:
        if name not in columns:
            raise error(
                path,
                0,
                f"the key names {name}, which is not a column of the file",
                f"its columns are {', '.join(columns)}",
            )
    return key


def _names(key: Directive, path: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in key.value.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise error(
            path, key.line, f"key={key.value} names no columns", "it is a list of different names: key=a,b"
        )
    return names
