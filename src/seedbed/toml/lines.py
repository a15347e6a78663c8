"""Where the keys of a TOML text stand: `tomllib` keeps no positions, people need them.

A second, small reader that knows TOML's shape (headers, keys, strings, brackets) and none of its values. It
is asked about texts that `tomllib` accepted. On any other text it stops at what it does not understand and
answers with what it has seen until then. It is linear in the text's length and does not recurse.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable

from seedbed.support.possessive import possessive

KeyPath = tuple[str | int, ...]  # ("references", 1, "to"): a number counts the items of an array from 0

_QUOTED = '"' + possessive(r'(?:[^"\\\n]|\\[^\n])*') + '"'
# Up to two quotes may stand right before the closing three.
_TEXT = '"""' + possessive(r'(?:[^"\\]|\\.|"{1,2}(?!"))*') + '"{3,5}'
_LITERAL = "'''" + possessive(r"(?:[^']|'{1,2}(?!'))*") + "'{3,5}"
_GAP = re.compile(possessive(r"(?:[ \t\r\n]++|#[^\n]*+)*"))
_BARE_OR_QUOTED = re.compile(rf"""[A-Za-z0-9_-]++|{_QUOTED}|'[^'\n]*+'""")
_BLANK = re.compile(r"[ \t]*+")
_DOT = re.compile(r"[ \t]*+\.[ \t]*+")
_EQUALS = re.compile(r"[ \t]*+=[ \t]*+")
_SCALAR = re.compile(
    rf"{_TEXT}|{_LITERAL}|{_QUOTED}"
    r"|'[^'\n]*+'"
    r"|[^\[\]{},#\n\"']++",  # numbers, booleans, and dates, which may hold a blank
    re.DOTALL,
)


class TooDeep(Exception):
    """A key or an array is nested deeper than allowed; args: line and column, from 1."""


class Lines:
    """The positions of all keys of `text`; nothing is read before the first question.

    Raises TooDeep, from any question, where a path would have more than `depth` parts.
    """

    def __init__(self, text: str, *, depth: int) -> None:
        self._text = text
        self._depth = depth
        self._offsets: dict[KeyPath, int] | None = None

    def locate(self, path: KeyPath) -> tuple[int, int]:
        """Return line and column, from 1, of the key or array item `path`, or of its closest known ancestor.

        A table's place is its own header where it has one, else where it is first spoken of. (0, 0): unknown.
        """
        offset = self.offset(path)
        return line_and_column(self._text, offset) if offset >= 0 else (0, 0)

    def offset(self, path: KeyPath) -> int:
        """Return the same as characters from the text's start, which is cheap for many; -1: unknown."""
        if self._offsets is None:
            self._offsets = _Reader(self._text, self._depth).read()
        while path and path not in self._offsets:
            path = path[:-1]
        return self._offsets[path] if path else -1


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, from 1, of the character at `offset`."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


class _Lost(Exception):
    """What stands here is not valid TOML that we know."""


class _Reader:
    """One pass over a text; `_at` is where it stands, `_offsets` what it found."""

    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._depth = depth
        self._at = 0
        self._offsets: dict[KeyPath, int] = {}
        self._items: dict[KeyPath, int] = {}  # arrays of tables: how many items there are so far

    def read(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        try:
            self._skip(_GAP)
            while self._at < len(self._text):
                if self._text.startswith("[", self._at):
                    table = self._header()
                else:
                    self._key_and_equals(table, then=self._value)
                self._skip(_GAP)
        except _Lost:
            pass
        return self._offsets

    def _header(self) -> KeyPath:
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        parts = self._key_parts()
        path = self._record((), parts[:-1])
        name, offset = parts[-1]
        path = (*path, name)
        if is_array:
            self._note(path, offset)
            self._items[path] = self._items.get(path, 0) + 1
            path = (*path, self._items[path] - 1)
        self._note(path, offset)
        self._offsets[path] = offset  # a header of its own beats an earlier mention
        self._expect("]]" if is_array else "]")
        return path

    def _key_and_equals(self, table: KeyPath, *, then: Callable[[KeyPath], None]) -> None:
        path = self._record(table, self._key_parts())
        self._match(_EQUALS)
        then(path)

    def _key_parts(self) -> list[tuple[str, int]]:
        """Read a dotted key; return its parts with their offsets."""
        self._skip(_BLANK)
        parts: list[tuple[str, int]] = []
        while True:
            offset = self._at
            parts.append((_unquoted(self._match(_BARE_OR_QUOTED)), offset))
            if len(parts) > self._depth:
                raise TooDeep(*line_and_column(self._text, offset))
            dot = _DOT.match(self._text, self._at)
            if dot is None:
                self._skip(_BLANK)
                return parts
            self._at = dot.end()

    def _record(self, path: KeyPath, parts: list[tuple[str, int]]) -> KeyPath:
        """Note `parts` one below the other under `path`; return where that leads."""
        for name, offset in parts:
            path = (*path, name)
            self._note(path, offset)
            if path in self._items:  # a header below an array of tables speaks of its last item
                path = (*path, self._items[path] - 1)
        return path

    def _note(self, path: KeyPath, offset: int) -> None:
        if len(path) > self._depth:
            raise TooDeep(*line_and_column(self._text, offset))
        self._offsets.setdefault(path, offset)

    def _value(self, path: KeyPath) -> None:
        """Read the value of `path`: a scalar, or brackets in brackets, by a stack: no recursion."""
        stack: list[_Bracket] = []
        self._open_or_pass(path, stack)
        while stack:
            bracket = stack[-1]
            self._skip(_GAP)
            if self._text.startswith(bracket.end, self._at):
                self._at += 1
                stack.pop()
            elif self._text.startswith(",", self._at):
                self._at += 1
            elif bracket.end == "]":
                item = (*bracket.path, bracket.items)
                bracket.items += 1
                self._note(item, self._at)
                self._open_or_pass(item, stack)
            else:
                self._key_and_equals(bracket.path, then=lambda found: self._open_or_pass(found, stack))

    def _open_or_pass(self, path: KeyPath, stack: list[_Bracket]) -> None:
        if self._text.startswith(("[", "{"), self._at):
            stack.append(_Bracket(path, "]" if self._text[self._at] == "[" else "}"))
            self._at += 1
        else:
            self._match(_SCALAR)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _Lost
        self._at = found.end()
        return found.group()

    def _expect(self, literal: str) -> None:
        if not self._text.startswith(literal, self._at):
            raise _Lost
        self._at += len(literal)


class _Bracket:
    """An array or inline table that is still open."""

    __slots__ = ("end", "items", "path")

    def __init__(self, path: KeyPath, end: str) -> None:
        self.path = path
        self.end = end
        self.items = 0


def _unquoted(key: str) -> str:
    if key.startswith("'") or (key.startswith('"') and "\\" not in key):
        return key[1:-1]
    if not key.startswith('"'):
        return key
    try:
        return str(tomllib.loads(f"key = {key}")["key"])
    except tomllib.TOMLDecodeError:
        raise _Lost from None
