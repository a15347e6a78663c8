"""Cypher's tokens, as far as statements, comments and literals have to be distinguished.

Written by hand and read from left to right: what looks like a comment may stand in a string, what looks like a
string in a comment, and a semicolon in either. The same for Cypher 5 and 25.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto

from msgspec import Struct

_OPENED = {"(": ")", "[": "]", "{": "}"}
_CLOSED = {close: opened for opened, close in _OPENED.items()}
_WORD = re.compile(r"[\w\u0300-\u036f]+")
_HEX = frozenset("0123456789abcdefABCDEF")
_ESCAPE = re.compile(r"\\\\|\\u([0-9a-fA-F]{4})")
_STRUCTURAL = frozenset("'\"`/*\n\r;")  # and a backslash, except in a name: `names.quoted` writes it so there


class LexError(ValueError):
    """A text that is not a sequence of tokens; `offset` says where, in characters."""

    def __init__(self, what: str, offset: int, because: str = "", try_: str = "") -> None:
        super().__init__(what)
        self.what, self.offset, self.because, self.try_ = what, offset, because, try_


class TokenKind(Enum):
    WORD = auto()  # a keyword or a plain name; numbers too
    NAME = auto()  # in backticks
    STRING = auto()
    PARAMETER = auto()
    SYMBOL = auto()  # one character
    LINE_COMMENT = auto()  # without the end of its line
    BLOCK_COMMENT = auto()


COMMENTS = frozenset({TokenKind.LINE_COMMENT, TokenKind.BLOCK_COMMENT})


class Token(Struct, frozen=True):
    """Characters `start` up to `end` of a text; `value` is their content, a name without its quotes.

    `value` is a parameter's name without its dollar, a string or a comment as it is written. `depth`: how many
    brackets are open around it.
    """

    kind: TokenKind
    start: int
    end: int
    value: str
    depth: int = 0

    def says(self, *words: str) -> bool:
        """Return whether this is one of `words` (in capitals), or one of these symbols."""
        if self.kind is TokenKind.SYMBOL:
            return self.value in words
        return self.kind is TokenKind.WORD and self.value.upper() in words

    @property
    def is_name(self) -> bool:
        return self.kind is TokenKind.NAME or (self.kind is TokenKind.WORD and not self.value[0].isdigit())


def is_word(tokens: Sequence[Token], position: int, *words: str) -> bool:
    """Return whether the token at `position` is one of `words`; False beyond the end."""
    return position < len(tokens) and tokens[position].says(*words)


def are_words(tokens: Sequence[Token], position: int, *words: str) -> bool:
    """Return whether `words` follow each other from `position` on."""
    return all(is_word(tokens, position + index, word) for index, word in enumerate(words))


def scan(text: str) -> tuple[Token, ...]:
    """Return the tokens of `text`, comments included. Raises LexError."""
    _require_harmless_escapes(text)
    return tuple(_Scanner(text).tokens())


def _require_harmless_escapes(text: str) -> None:
    """Refuse a \\uXXXX that would end a string, a name or a comment: Neo4j reads them before everything else."""
    position = text.find("\\")
    while position >= 0:
        is_pair = text.startswith("\\\\", position)
        if not is_pair and _escaped(text, position) in _STRUCTURAL:
            raise _harmful(text, position)
        position = text.find("\\", position + 1 + is_pair)


def _harmful(text: str, position: int) -> LexError:
    return LexError(
        f"{text[position : position + 6]} is not part of the string, name or comment that it is in",
        position,
        "Neo4j puts the character there before it looks for strings and comments",
        "write the character itself, in a string with a backslash before it",
    )


def _escaped(text: str, position: int) -> str:
    """Return the character that a \\uXXXX at `position` stands for, "none" where there is none."""
    digits = text[position + 2 : position + 6]
    is_escape = text.startswith("u", position + 1) and len(digits) == 4 and _HEX.issuperset(digits)
    return chr(int(digits, 16)) if is_escape else "none"


def _plain(escape: re.Match[str]) -> str:
    """Return what Neo4j reads in a name in place of `escape`; two backslashes stay two."""
    return chr(int(escape[1], 16)) if escape[1] else escape[0]


class _Scanner:
    """Reads a text once; `open` are the brackets that wait for their end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.open: list[Token] = []

    def tokens(self) -> Iterator[Token]:
        position, length = 0, len(self.text)
        while position < length:
            if self.text[position].isspace():
                position += 1
                continue
            token = self._token(position)
            yield token
            position = token.end
        self._require_closed(length)

    def _token(self, start: int) -> Token:
        text = self.text
        first = text[start]
        if first == "/" and text.startswith("//", start):
            return self._line_comment(start)
        if first == "/" and text.startswith("/*", start):
            return self._block_comment(start)
        if first in "'\"":
            return self._string(start, first)
        if first == "`":
            return self._name(start)
        if first == "$":
            return self._parameter(start)
        if end := self._word_end(start) - start:
            return self._made(TokenKind.WORD, start, start + end, text[start : start + end])
        return self._symbol(start, first)

    def _made(self, kind: TokenKind, start: int, end: int, value: str) -> Token:
        if kind is not TokenKind.NAME and "\\u005" in value:
            for escape in _ESCAPE.finditer(value):
                if _plain(escape) == "\\":
                    raise _harmful(self.text, start + escape.start())
        return Token(kind, start, end, value, len(self.open))

    def _line_comment(self, start: int) -> Token:
        end = self.text.find("\n", start)
        end = len(self.text) if end < 0 else end
        return self._made(TokenKind.LINE_COMMENT, start, end, self.text[start:end])

    def _block_comment(self, start: int) -> Token:
        end = self.text.find("*/", start + 2)
        if end < 0:
            raise LexError("a comment is opened and never closed", start, "`*/` is missing")
        return self._made(TokenKind.BLOCK_COMMENT, start, end + 2, self.text[start : end + 2])

    def _string(self, start: int, quote: str) -> Token:
        position = start + 1
        while position < len(self.text):
            if self.text[position] == "\\":
                position += 2
            elif self.text[position] == quote:
                return self._made(TokenKind.STRING, start, position + 1, self.text[start : position + 1])
            else:
                position += 1
        raise LexError("a string is opened and never closed", start, f"its end, {quote}, is missing")

    def _name(self, start: int) -> Token:
        position = start + 1
        while True:
            end = self.text.find("`", position)
            if end < 0:
                raise LexError("a name is opened and never closed", start, "its end, `, is missing")
            if not self.text.startswith("``", end):
                value = _ESCAPE.sub(_plain, self.text[start + 1 : end].replace("``", "`"))
                return self._made(TokenKind.NAME, start, end + 1, value)
            position = end + 2

    def _parameter(self, start: int) -> Token:
        """Return `$name`, or the bare dollar of a dynamic label: `$(…)`, `$any(…)`, `$all(…)`."""
        after = self.text[start + 1 : start + 2]
        if after == "`":
            name = self._name(start + 1)
            return self._made(TokenKind.PARAMETER, start, name.end, name.value)
        end = self._word_end(start + 1)
        word = self.text[start + 1 : end]
        is_dynamic = word.lower() in {"any", "all"} and self.text[end:].lstrip().startswith("(")
        if not word or is_dynamic:
            return self._made(TokenKind.SYMBOL, start, start + 1, "$")
        return self._made(TokenKind.PARAMETER, start, end, word)

    def _word_end(self, start: int) -> int:
        found = _WORD.match(self.text, start)
        return found.end() if found else start

    def _symbol(self, start: int, symbol: str) -> Token:
        if symbol == "\\":
            raise LexError(
                "there is a backslash outside of a string",
                start,
                "no statement has one there",
                "write the character itself",
            )
        if symbol == ";" and self.open:
            raise self._left_open("the statement ends", start)
        if symbol in _CLOSED:
            self._close(start, symbol)
        token = self._made(TokenKind.SYMBOL, start, start + 1, symbol)
        if symbol in _OPENED:
            self.open.append(token)
        return token

    def _close(self, start: int, symbol: str) -> None:
        if not self.open:
            raise LexError(f"`{symbol}` closes a bracket that is not open", start)
        if self.open[-1].value != _CLOSED[symbol]:
            raise self._left_open(f"`{symbol}` comes", start)
        self.open.pop()

    def _require_closed(self, end: int) -> None:
        if self.open:
            raise self._left_open("the text ends", end)

    def _left_open(self, what: str, offset: int) -> LexError:
        last = self.open[-1]
        line = self.text.count("\n", 0, last.start) - self.text.count("\n", 0, offset)
        where = f"{-line} lines above" if line < -1 else "on the line above" if line else "on this line"
        return LexError(f"{what} before `{last.value}` is closed", offset, f"it is opened {where}")
