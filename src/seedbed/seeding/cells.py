"""CSV (RFC 4180) -> records with their lines, an unquoted empty field told apart from a quoted one.

Python's csv module cannot tell them apart before 3.12, and what it forgives (a quote in the middle, ragged
rows, an unclosed quote at the end) is what a seed gets wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

# One field and what ends it. A quoted field may hold anything, its quotes doubled; a plain one no quote,
# comma or line end. Neither part can match in two ways, so the time is linear.
_FIELD = re.compile(r'(?:"(?P<quoted>[^"]*(?:""[^"]*)*)"|(?P<plain>[^",\r\n]*))(?P<end>,|\n|\Z)')


class Malformed(Exception):
    """The text is no CSV: `str()` says what is wrong, `line` where, counted from 1, `hint` what to write."""

    def __init__(self, what: str, line: int, hint: str) -> None:
        super().__init__(what)
        self.line = line
        self.hint = hint


class Record(Struct, frozen=True):
    """A record and the line on which it begins; None is an empty field without quotes."""

    line: int
    fields: tuple[str | None, ...]


def records(text: str, first_line: int = 1) -> Iterator[Record]:
    """Yield the records of `text`, whose first line is line `first_line` of its file.

    CRLF is read as LF, inside quotes too: how an editor or git ends lines does not change the data. Lines
    with nothing on them are no records. Raises Malformed.
    """
    text = text.replace("\r\n", "\n")
    position, line = 0, first_line
    while position < len(text):
        began, fields = line, []
        while True:
            found = _FIELD.match(text, position)
            if found is None:
                raise _malformed(text, position, line)
            position = found.end()
            line += found[0].count("\n")
            fields.append(_value(found))
            if found["end"] != ",":
                break
        if fields != [None]:
            yield Record(began, tuple(fields))


def _value(found: re.Match[str]) -> str | None:
    quoted: str | None = found["quoted"]
    if quoted is not None:
        return quoted.replace('""', '"')
    return found["plain"] or None


def _malformed(text: str, position: int, line: int) -> Malformed:
    """Return what is wrong with the field that begins at `position`."""
    if not text.startswith('"', position):
        stop = re.compile(r'["\r]').search(text, position)
        if stop and stop[0] == "\r":
            return Malformed("a carriage return stands alone in a field", line, "put the field in quotes")
        return Malformed(
            "a quote stands in the middle of a field that does not begin with one",
            line,
            'put the whole field in quotes and double those inside: "a ""b"" c"',
        )
    closed = re.compile(r'"[^"]*(?:""[^"]*)*"').match(text, position)
    if closed is None:
        return Malformed("a quote is opened and never closed", line, "close it, or double it if it is meant")
    line += closed[0].count("\n")
    return Malformed(
        "something follows the closing quote of a field",
        line,
        'double the quotes inside a field: "a ""b"" c"; nothing stands between a quote and its comma',
    )
