"""The tokens of SQL, by PostgreSQL's own scanner, piece by piece. Offsets are bytes of UTF-8."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from enum import IntEnum
from functools import cache

from msgspec import Struct

from seedbed.engines.postgres.files import libpg_query
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.support.possessive import possessive

PIECE = 1 << 20  # bytes of a text that are read at once, or more, where a statement is longer
_CUT = re.compile(rb"[;,]\n")

# A ScanToken as protobuf, inside its ScanResult: start, end, token, keyword_kind; a zero is left out.
_VARINT = rb"[\x80-\xff]*[\x00-\x7f]"
TOKEN = re.compile(rb"\x12.(?:\x08(%b))?\x10(%b)\x20(%b)(?:\x28.)?" % (_VARINT, _VARINT, _VARINT), re.DOTALL)


class SqlTokenKind(IntEnum):
    """The scanner's tokens that the parser needs; the numbers are libpg_query's."""

    SEMICOLON = 59
    BACKSLASH = 92
    IDENTIFIER = 258
    UNICODE_IDENTIFIER = 259
    PARAMETER = 267
    LINE_COMMENT = 275
    BLOCK_COMMENT = 276


COMMENTS = frozenset({SqlTokenKind.LINE_COMMENT, SqlTokenKind.BLOCK_COMMENT})


class SqlToken(Struct, frozen=True):
    """A token from byte `start` up to byte `end`."""

    kind: SqlTokenKind
    start: int
    end: int


def scan(sql: bytes, kinds: Collection[SqlTokenKind] = COMMENTS) -> Iterator[SqlToken]:
    """Yield the tokens of `kinds` in `sql`, which has no NUL. Raises GrammarError, after those before its piece."""
    for start, tokens in pieces(sql):
        yield from _tokens(tokens, kinds, start)


def is_scannable(sql: bytes) -> bool:
    """Return whether all of `sql` is tokens, whatever they mean together."""
    try:
        return all(True for _ in pieces(sql))
    except GrammarError:
        return False


def pieces(sql: bytes, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (where it begins, its tokens) for pieces of `sql` from `start` on.

    All tokens at once would take many times their text.

    A piece that is scanned without an error ended outside of every string and comment.
    """
    size = PIECE
    while True:
        cut = _CUT.search(sql, start + size) if len(sql) - start > size else None
        end = cut.end() if cut else len(sql)
        try:
            tokens = _scanned(sql[start:end] if end - start < len(sql) else sql)
        except GrammarError as error:
            if cut:  # it may end inside of a string
                size *= 2
                continue
            raise error.moved(start) from None
        yield start, tokens
        if not cut:
            return
        start, size = end, PIECE


# The scanner reads a run of such characters anew for each comment, plus or minus that it finds in it.
_RUN = re.compile(rb"[-+*/<>=~!@#%%^&|`?]{%d,}" % 1_000)
_ENDLESS = "PostgreSQL's scanner would take minutes for it"
_NESTING, _SIGNS = 100, re.compile(rb"[+]{1000}|(?:[+]*-(?=[+])){500}")


def require_scannable(sql: bytes) -> None:
    """Refuse what the scanner would take minutes for: comments nested without a blank, signs in long rows."""
    for run in _RUN.finditer(sql):
        if run[0].count(b"/*") > _NESTING:
            raise GrammarError("the comment nests too deeply", run.start(), _ENDLESS)
        if _SIGNS.search(run[0]):
            raise GrammarError("the row of signs is too long", run.start(), _ENDLESS)


def _scanned(sql: bytes) -> bytes:
    require_scannable(sql)
    return libpg_query.scanned(sql)


def _tokens(tokens: bytes, kinds: Collection[SqlTokenKind], start: int) -> Iterator[SqlToken]:
    pattern = _pattern(frozenset(kinds))
    found = pattern.match(tokens)
    while found:
        yield SqlToken(_KINDS[found[3]], start + number(found[1] or b"\0"), start + number(found[2]))
        found = pattern.match(tokens, found.end())


@cache
def _pattern(kinds: frozenset[SqlTokenKind]) -> re.Pattern[bytes]:
    """Return what matches the next token of `kinds` and all tokens before it: that is much faster than Python."""
    any_of = b"(?:%b)" % b"|".join(re.escape(packed(kind)) for kind in kinds)
    other = rb"\x12.(?:\x08%b)?\x10%b\x20(?!%b)%b(?:\x28.)?" % (_VARINT, _VARINT, any_of, _VARINT)
    wanted = rb"\x12.(?:\x08(%b))?\x10(%b)\x20(%b)(?:\x28.)?" % (_VARINT, _VARINT, any_of)
    first, others = possessive(rb"(?:\x08%b)?" % _VARINT), possessive(b"(?:%b)*" % other)
    return re.compile(first + others + wanted, re.DOTALL)


def packed(value: int) -> bytes:
    """Return `value`, below 16384, as a varint of protobuf."""
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80, value >> 7])


_KINDS = {packed(kind): kind for kind in SqlTokenKind}


def number(varint: bytes) -> int:
    """Return the number that a varint of protobuf is."""
    value = 0
    for byte in reversed(varint):
        value = value << 7 | byte & 0x7F
    return value
