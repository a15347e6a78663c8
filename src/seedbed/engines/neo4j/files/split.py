"""A text -> its statements, as they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from seedbed.engines.neo4j.files.lexer import COMMENTS, Token, scan


class Statement(Struct, frozen=True):
    """One statement without its semicolon and without the comments around it.

    `start` and `end` are offsets in the text that it was found in, `line` counts from 1 there. `tokens` have the
    same offsets; comments are not among them.
    """

    text: str
    line: int
    start: int
    end: int
    tokens: tuple[Token, ...]


def split(text: str) -> tuple[Statement, ...]:
    """Return the statements in `text`, in order; empty ones are none. Raises LexError."""
    return statements_of(text, scan(text))


def statements_of(text: str, tokens: Iterable[Token]) -> tuple[Statement, ...]:
    """Return the statements that `tokens` of `text` make."""
    found: list[Statement] = []
    pending: list[Token] = []
    lines = _Lines(text)
    for token in tokens:
        if token.says(";"):
            _finish(text, pending, found, lines)
            pending = []
        elif token.kind not in COMMENTS:
            pending.append(token)
    _finish(text, pending, found, lines)
    return tuple(found)


class _Lines:
    """Counts the lines of a text, each only once: offsets have to come in order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._offset, self._line = 0, 1

    def at(self, offset: int) -> int:
        self._line += self._text.count("\n", self._offset, offset)
        self._offset = offset
        return self._line


def _finish(text: str, tokens: Sequence[Token], found: list[Statement], lines: _Lines) -> None:
    if tokens:
        start, end = tokens[0].start, tokens[-1].end
        found.append(Statement(text[start:end], lines.at(start), start, end, tuple(tokens)))
