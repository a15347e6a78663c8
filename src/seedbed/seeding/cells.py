"""CSV (RFC 4180) -> records with their lines, an unquoted empty field told apart from a quoted one.

Python's csv module cannot tell them apart before 3.12, and what it forgives (a quote in the middle, ragged
rows, an unclosed quote at the end) is what a seed gets wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from seedbed.support.possessive import possessive

LONGEST = 8 << 20  # characters of one record: what is in memory when a quote is never closed

# One field and what ends it. A quoted field may hold anything, its quotes doubled; a plain one no quote,
# comma or line end. Neither part can match in two ways, so the time is linear; nothing that matched is tried again, so
# that millions of doubled quotes are not remembered.
_INSIDE = '[^"]*+' + possessive('(?:""[^"]*+)*')
_FIELD = re.compile(rf'(?:"(?P<quoted>{_INSIDE})"|(?P<plain>[^",\r\n]*+))(?P<end>,|\n|\Z)')

Record = tuple[str | None, ...]  # its fields; None is an empty one without quotes


class Malformed(Exception):
    """The text is not valid CSV: `str()` says what is wrong, `line` where, counted from 1, `hint` what to write."""

    def __init__(self, what: str, line: int, hint: str) -> None:
        super().__init__(what)
        self.line = line
        self.hint = hint


class Records(Struct, frozen=True):
    """Records that follow each other, the line on which each begins, and the text that they are made of."""

    fields: Sequence[Record]
    lines: Sequence[int]
    text: str


def records(pieces: Iterable[str], first_line: int = 1) -> Iterator[Records]:
    """Yield the records of a text that comes in `pieces` and begins on line `first_line` of its file, some at a time.

    CRLF is read as LF, inside quotes too: how an editor or git ends lines does not change the data. Lines
    with nothing on them are not records. Raises Malformed, after the records before what is wrong in its piece.
    """
    splitter, line = _Splitter(), first_line
    for piece in pieces:
        text = splitter.take(piece)
        if splitter.size > LONGEST:
            raise _too_long(splitter.rest(), line)
        if text:
            found, line = _records(text, line)
            if found.fields:
                yield found
    if text := splitter.rest():
        found, _ = _records(text, line)
        if found.fields:
            yield found


class _Splitter:
    """Cuts text where a record ends: at a line end that has an even number of quotes before it.

    In what is not valid CSV that may be elsewhere, but never between the beginning of a record and what is wrong in it.
    """

    def __init__(self) -> None:
        self.size = 0  # characters that are held
        self._held: list[str] = []
        self._is_odd = False  # the number of quotes in what is held

    def take(self, piece: str) -> str:
        """Return all records that are complete with `piece`, and hold the rest."""
        end = len(piece)
        is_odd = self._is_odd = self._is_odd ^ bool(piece.count('"') & 1)
        while (cut := piece.rfind("\n", 0, end)) >= 0:
            is_odd ^= bool(piece.count('"', cut, end) & 1)
            if not is_odd:
                complete = "".join((*self._held, piece[: cut + 1]))
                self._held, self.size = [piece[cut + 1 :]], len(piece) - cut - 1
                return complete
            end = cut
        self._held.append(piece)
        self.size += len(piece)
        return ""

    def rest(self) -> str:
        """Return what is held."""
        return "".join(self._held)


def _records(text: str, line: int) -> tuple[Records, int]:
    """Return the records of `text`, which begins on line `line`, and the line that comes after it."""
    text = text.replace("\r\n", "\n")
    lines = text.split("\n")
    if not lines[-1]:
        del lines[-1]
    following = line + len(lines)
    if '"' not in text and "\r" not in text and "" not in lines:  # most of most files, and six times as fast
        return Records([_plain(each) for each in lines], range(line, following), text), following
    fields: list[Record] = []
    numbers: list[int] = []
    at = 0
    while at < len(lines):
        began = at
        record, at = _record(lines, at, line)
        if record != (None,):
            fields.append(record)
            numbers.append(line + began)
    return Records(fields, numbers, text), following


def _record(lines: Sequence[str], at: int, first_line: int) -> tuple[Record, int]:
    """Return the record that begins at `lines[at]`, and where the next one does."""
    text, following = lines[at], at + 1
    if '"' not in text and "\r" not in text:
        return _plain(text), following
    quotes = text.count('"')
    while quotes & 1 and following < len(lines):
        quotes += lines[following].count('"')
        following += 1
    return _quoted("\n".join(lines[at:following]), first_line + at), following


def _plain(text: str) -> Record:
    return tuple([each or None for each in text.split(",")])


def _quoted(text: str, line: int) -> Record:
    fields: list[str | None] = []
    position = 0
    while True:
        found = _FIELD.match(text, position)
        if found is None:
            raise _malformed(text, position, line + text.count("\n", 0, position))
        quoted, plain, end = found.groups()  # once for all three: a seed has millions of fields
        fields.append((plain or None) if quoted is None else quoted.replace('""', '"'))
        if end != ",":
            return tuple(fields)
        position = found.end()


def _too_long(text: str, line: int) -> Malformed:
    """Return what is wrong with a record that does not end."""
    try:
        _records(text, line)
    except Malformed as wrong:
        return wrong
    return Malformed(
        f"a record has more than {LONGEST >> 20} MB", line, "split it, or put the rows into a .py"
    )


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
    closed = re.compile(rf'"{_INSIDE}"').match(text, position)
    if closed is None:
        return Malformed("a quote is not closed", line, "close it, or double it if it is meant")
    line += closed[0].count("\n")
    return Malformed(
        "something follows the closing quote of a field",
        line,
        'double the quotes inside a field: "a ""b"" c"; nothing stands between a quote and its comma',
    )
