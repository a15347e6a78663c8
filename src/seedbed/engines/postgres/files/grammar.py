"""PostgreSQL's own grammar: libpg_query, loaded directly.

The postgast distribution carries the shared object; importing postgast itself costs a quarter of a second for
protobuf classes that nobody here needs. libpg_query keeps its state per thread, and ctypes lets other threads
run meanwhile. Offsets are bytes of UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from ctypes import CDLL, POINTER, Structure, c_char_p, c_int, c_size_t, c_void_p, string_at
from enum import IntEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from seedbed.errors import SeedbedError

_LIBRARIES = ("libpg_query.so", "libpg_query.dylib")
_DEEPEST = 100  # levels of a tree that are kept when it is too deep to be read whole
_LONGEST_CHAIN = 10_000  # the grammar's own bound where it recurses to the right

_T = TypeVar("_T")


class GrammarError(Exception):
    """The text is not PostgreSQL's language; `offset` is 0 where it is unknown (`is_placed`)."""

    def __init__(self, message: str, offset: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset or 0
        self.is_placed = offset is not None


class SqlTokenKind(IntEnum):
    """The scanner's tokens that the parser needs; the numbers are libpg_query's."""

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


class ParsedStatement(Struct):
    """A statement: its node's name (`IndexStmt`), its tree as JSON, and its bytes without what surrounds it."""

    kind: str
    tree: bytes | msgspec.Raw
    start: int
    end: int
    _node: dict[str, Any] | None = None

    def node(self) -> dict[str, Any]:
        """Return the whole tree; anything nested absurdly deep is left out."""
        if self._node is None:
            self._node = self.read(_ANY)
        return self._node

    def read(self, decoder: msgspec.json.Decoder[_T]) -> _T:
        try:
            return decoder.decode(self.tree)
        except RecursionError:
            return decoder.decode(_cut(bytes(self.tree)))


class _Error(Structure):
    _fields_ = (
        ("message", c_char_p),
        ("funcname", c_char_p),
        ("filename", c_char_p),
        ("lineno", c_int),
        ("cursorpos", c_int),
        ("context", c_char_p),
    )


class _ParseResult(Structure):
    _fields_ = (("tree", c_char_p), ("stderr", c_char_p), ("error", POINTER(_Error)))


class _ScanResult(Structure):
    _fields_ = (
        ("length", c_size_t),
        ("data", c_void_p),
        ("stderr", c_char_p),
        ("error", POINTER(_Error)),
    )


class _Entry(msgspec.Struct):
    stmt: dict[str, msgspec.Raw] = {}
    stmt_location: int = 0
    stmt_len: int = 0


class _Tree(msgspec.Struct):
    stmts: list[_Entry] = []


_TREE = msgspec.json.Decoder(_Tree)
_ANY = msgspec.json.Decoder(dict[str, Any])

# A ScanToken as protobuf, inside its ScanResult: start, end, token, keyword_kind; a zero is left out.
_VARINT = rb"[\x80-\xff]*[\x00-\x7f]"
_TOKEN = re.compile(rb"\x12.(?:\x08(%b))?\x10(%b)\x20(%b)(?:\x28.)?" % (_VARINT, _VARINT, _VARINT), re.DOTALL)
_JSON = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')


@cache
def _library() -> CDLL:
    """Load libpg_query from where postgast is installed, without importing postgast."""
    spec = find_spec("postgast")
    homes = [Path(each) for each in (spec.submodule_search_locations or ())] if spec else []
    for path in (home / name for home in homes for name in _LIBRARIES):
        if path.is_file():
            return _declared(CDLL(str(path)))
    raise SeedbedError(
        "PostgreSQL's grammar is missing",
        because="the package postgast is not installed, or without its libpg_query",
        try_="pip install --force-reinstall postgast==0.2.0",
    )


def _declared(library: CDLL) -> CDLL:
    for name, result in (("parse", _ParseResult), ("scan", _ScanResult)):
        call, free = getattr(library, f"pg_query_{name}"), getattr(library, f"pg_query_free_{name}_result")
        call.argtypes, call.restype = [c_char_p], result
        free.argtypes, free.restype = [result], None
    return library


def _error(found: Any, sql: bytes) -> GrammarError:
    """Return the error that libpg_query `found`; it counts characters from 1, and 0 is unknown."""
    message = (found.message or b"").decode(errors="replace")
    if found.cursorpos <= 0:
        return GrammarError(message, None)
    before = sql.decode(errors="surrogateescape")[: found.cursorpos - 1]
    return GrammarError(message, len(before.encode(errors="surrogateescape")))


def scan(sql: bytes, kinds: Collection[SqlTokenKind] = COMMENTS) -> Iterator[SqlToken]:
    """Return the tokens of `kinds` in `sql`, which has no NUL, one by one. Raises GrammarError, before any."""
    return _tokens(_scanned(sql), kinds)


def _scanned(sql: bytes) -> bytes:
    library = _library()
    result = library.pg_query_scan(sql)
    try:
        if result.error:
            raise _error(result.error.contents, sql)
        return string_at(result.data, result.length)
    finally:
        library.pg_query_free_scan_result(result)


def _tokens(packed: bytes, kinds: Collection[SqlTokenKind]) -> Iterator[SqlToken]:
    pattern = _pattern(frozenset(kinds))
    found = pattern.match(packed)
    while found:
        yield SqlToken(_KINDS[found[3]], _number(found[1] or b"\0"), _number(found[2]))
        found = pattern.match(packed, found.end())


@cache
def _pattern(kinds: frozenset[SqlTokenKind]) -> re.Pattern[bytes]:
    """Return what matches the next token of `kinds` and all tokens before it: that is much faster than Python."""
    number = b"(?:%b)" % b"|".join(re.escape(_packed(kind)) for kind in kinds)
    other = rb"\x12.(?:\x08%b)?\x10%b\x20(?!%b)%b(?:\x28.)?" % (_VARINT, _VARINT, number, _VARINT)
    wanted = rb"\x12.(?:\x08(%b))?\x10(%b)\x20(%b)(?:\x28.)?" % (_VARINT, _VARINT, number)
    return re.compile(rb"(?:\x08%b)?+(?:%b)*+%b" % (_VARINT, other, wanted), re.DOTALL)


def _packed(number: int) -> bytes:
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7])


_KINDS = {_packed(kind): kind for kind in SqlTokenKind}


def _number(varint: bytes) -> int:
    number = 0
    for byte in reversed(varint):
        number = number << 7 | byte & 0x7F
    return number


def parse(sql: bytes, comments: Iterable[SqlToken] | None = None) -> tuple[ParsedStatement, ...]:
    """Return the statements of `sql`, which has no NUL; `comments` are all of its own, where they are known.

    Raises GrammarError.
    """
    if len(sql) > _LONGEST_CHAIN:
        _require_shallow(sql)
    library = _library()
    result = library.pg_query_parse(sql)
    try:
        if result.error:
            raise _error(result.error.contents, sql)
        text = result.tree
    finally:
        library.pg_query_free_parse_result(result)
    try:
        tree = _TREE.decode(text)
    except RecursionError:
        tree = _TREE.decode(_cut(text))
    trim = _Trim(sql, scan(sql) if comments is None else comments)
    return tuple(_parsed(each, trim, len(sql)) for each in tree.stmts if each.stmt)


def _parsed(entry: _Entry, trim: _Trim, end: int) -> ParsedStatement:
    ((kind, raw),) = entry.stmt.items()
    start = entry.stmt_location
    first, last = trim(start, start + entry.stmt_len if entry.stmt_len else end)
    return ParsedStatement(kind, raw, first, last)


class _Trim:
    """Takes white space and comments off both ends of a stretch of text."""

    def __init__(self, sql: bytes, comments: Iterable[SqlToken]) -> None:
        self._sql = sql
        self._ends = {each.start: each.end for each in comments}
        self._starts = {end: start for start, end in self._ends.items()}

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        start = self._first(start, end)
        return start, self._last(start, end)

    def _first(self, start: int, end: int) -> int:
        while True:
            while start < end and self._sql[start] in b" \t\n\r\f\v;":
                start += 1
            if start not in self._ends:
                return start
            start = self._ends[start]

    def _last(self, start: int, end: int) -> int:
        while True:
            while end > start and self._sql[end - 1] in b" \t\n\r\f\v":
                end -= 1
            if self._starts.get(end, -1) < start:
                return end
            end = self._starts[end]


def statement_spans(body: str) -> list[tuple[int, int]]:
    """Return (start, end) of each statement in `body`, in characters; empty where it does not parse."""
    sql = body.encode()
    try:
        spans = [(each.start, each.end) for each in parse(sql)]
    except GrammarError:
        return []
    if len(sql) == len(body):
        return spans
    return [(len(sql[:start].decode()), len(sql[:end].decode())) for start, end in spans]


def _cut(tree: bytes) -> bytes:
    """Return the JSON `tree` with everything below a certain depth replaced by null."""
    kept: list[bytes] = []
    depth = begin = 0
    for match in _JSON.finditer(tree):
        if match[0] in {b"{", b"["}:
            depth += 1
            if depth == _DEEPEST:
                kept.append(tree[begin : match.start()])
        elif match[0] in {b"}", b"]"}:
            if depth == _DEEPEST:
                kept.append(b"null")
                begin = match.end()
            depth -= 1
    return b"".join((*kept, tree[begin:]))


# What opens and closes a level, what begins anew on one, and what never makes an expression deeper; by number.
_CASE, _WHEN, _THEN, _ELSE, _END, _OPERATOR = 322, 746, 701, 399, 404, 265
_OPENS = {_packed(each) for each in (ord("("), ord("["), _CASE)}
_CLOSES = {_packed(each) for each in (ord(")"), ord("]"), _END)}
_SEPARATES = {_packed(each) for each in (ord(","), ord(";"), _WHEN, _THEN, _ELSE)}
_FLAT = {_packed(each) for each in (ord("."), *range(258, 268), *COMMENTS) if each != _OPERATOR}


def _require_shallow(sql: bytes) -> None:
    """Refuse a chain (`1 + 1 + …`) so long that writing its tree could overflow the C stack."""
    levels = [0]
    for match in _TOKEN.finditer(_scanned(sql)):
        kind = match[3]
        if kind in _OPENS:
            levels.append(0)
        elif kind in _CLOSES:
            if len(levels) > 1:
                levels.pop()
        elif kind in _SEPARATES:
            levels[-1] = 0
        elif kind not in _FLAT:
            levels[-1] += 1
            if levels[-1] > _LONGEST_CHAIN:
                raise GrammarError("the statement nests too deeply", _number(match[1] or b"\0"))
