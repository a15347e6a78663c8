"""PostgreSQL's own grammar: libpg_query, loaded directly.

The postgast distribution carries the shared object; importing postgast itself costs a quarter of a second for
protobuf classes that nobody here needs. libpg_query keeps its state per thread, and ctypes lets other threads
run meanwhile. Offsets are bytes of UTF-8.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from ctypes import CDLL, POINTER, Structure, c_char_p, c_int, c_size_t, c_void_p, string_at
from enum import IntEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from seedbed.errors import SeedbedError
from seedbed.support.phrases import shorten

_LIBRARIES = ("libpg_query.so", "libpg_query.dylib")
_DEEPEST = 100  # levels of a tree that are kept when it is too deep to be read whole
_LONGEST_MESSAGE = 200  # characters: it quotes the file, up to the end of what is not closed
PIECE = 1 << 20  # bytes of a text that are read at once, or more, where a statement is longer
LARGEST_STATEMENT = 16 << 20  # bytes
_HOLDS_STATEMENTS = re.compile(rb"\batomic\b", re.IGNORECASE)
_NOT_BLANK = re.compile(rb"\S")
_CUT = re.compile(rb"[;,]\n")
_LONGEST_CHAIN = 10_000  # the grammar's own bound where it recurses to the right

_REFUSES = "PostgreSQL's own grammar refuses it"

_T = TypeVar("_T")


class GrammarError(Exception):
    """The text is not PostgreSQL's language, or more than is read; `offset` is 0 where it is unknown (`is_placed`)."""

    def __init__(self, message: str, offset: int | None, because: str = _REFUSES) -> None:
        super().__init__(message)
        self.message = message
        self.because = because
        self.offset = offset or 0
        self.is_placed = offset is not None

    def moved(self, by: int) -> GrammarError:
        """Return the error as it is in a text that has `by` bytes more before it."""
        return GrammarError(self.message, self.offset + by if self.is_placed else None, self.because)


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
    message = shorten((found.message or b"").decode(errors="replace"), _LONGEST_MESSAGE)
    if found.cursorpos <= 0:
        return GrammarError(message, None)
    before = sql.decode(errors="surrogateescape")[: found.cursorpos - 1]
    return GrammarError(message, len(before.encode(errors="surrogateescape")))


def scan(sql: bytes, kinds: Collection[SqlTokenKind] = COMMENTS) -> Iterator[SqlToken]:
    """Yield the tokens of `kinds` in `sql`, which has no NUL. Raises GrammarError, after those before its piece."""
    for start, packed in _pieces(sql):
        yield from _tokens(packed, kinds, start)


def is_scannable(sql: bytes) -> bool:
    """Return whether all of `sql` is tokens, whatever they mean together."""
    try:
        return all(True for _ in _pieces(sql))
    except GrammarError:
        return False


def _pieces(sql: bytes, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (where it begins, its tokens) for pieces of `sql` from `start` on.

    All tokens at once would take many times their text.

    A piece that is scanned without an error ended outside of every string and comment.
    """
    size = PIECE
    while True:
        cut = _CUT.search(sql, start + size) if len(sql) - start > size else None
        end = cut.end() if cut else len(sql)
        try:
            packed = _scanned(sql[start:end] if end - start < len(sql) else sql)
        except GrammarError as error:
            if cut:  # it may end inside of a string
                size *= 2
                continue
            raise error.moved(start) from None
        yield start, packed
        if not cut:
            return
        start, size = end, PIECE


# The scanner reads a run of such characters anew for each comment, plus or minus that it finds in it.
_RUN = re.compile(rb"[-+*/<>=~!@#%%^&|`?]{%d,}" % 1_000)
_ENDLESS = "PostgreSQL's scanner would take minutes for it"
_NESTING, _SIGNS = 100, re.compile(rb"[+]{1000}|(?:[+]*-(?=[+])){500}")


def _require_scannable(sql: bytes) -> None:
    """Refuse what the scanner would take minutes for: comments nested without a blank, signs in long rows."""
    for run in _RUN.finditer(sql):
        if run[0].count(b"/*") > _NESTING:
            raise GrammarError("the comment nests too deeply", run.start(), _ENDLESS)
        if _SIGNS.search(run[0]):
            raise GrammarError("the row of signs is too long", run.start(), _ENDLESS)


def _scanned(sql: bytes) -> bytes:
    _require_scannable(sql)
    library = _library()
    result = library.pg_query_scan(sql)
    try:
        if result.error:
            raise _error(result.error.contents, sql)
        return string_at(result.data, result.length)
    finally:
        library.pg_query_free_scan_result(result)


def _tokens(packed: bytes, kinds: Collection[SqlTokenKind], start: int) -> Iterator[SqlToken]:
    pattern = _pattern(frozenset(kinds))
    found = pattern.match(packed)
    while found:
        yield SqlToken(_KINDS[found[3]], start + _number(found[1] or b"\0"), start + _number(found[2]))
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
    return tuple(parsed(sql, comments))


def parsed(sql: bytes, comments: Iterable[SqlToken] | None = None) -> Iterator[ParsedStatement]:
    """Yield the statements that `parse` returns. Of a large text, the trees of one piece are in memory at a time."""
    trim = _Trim(sql, scan(sql) if comments is None else comments)
    for start, end in _runs(sql, PIECE) if len(sql) > min(PIECE, _LONGEST_CHAIN) else [(0, len(sql))]:
        yield from _parsed_run(sql, start, end, trim)


def one_by_one(
    sql: bytes, comments: Iterable[SqlToken] | None = None
) -> Iterator[ParsedStatement | GrammarError]:
    """Yield each statement, or its error, read by itself: for a text that `parsed` refuses."""
    trim = _Trim(sql, scan(sql) if comments is None else comments)
    ends = [each.end for each in scan(sql, {SqlTokenKind.SEMICOLON})]
    position = 0
    while position < len(sql):
        position = yield from _until_an_error(sql, position, ends, trim)


def _until_an_error(
    sql: bytes, position: int, ends: Sequence[int], trim: _Trim
) -> Generator[ParsedStatement | GrammarError, None, int]:
    """Yield the statements from `position` on, up to the first error; return where to go on. `ends`: of semicolons."""
    start = end = position
    try:
        for start, end in _runs(sql, 1, position):
            yield from _parsed_run(sql, start, end, trim)
    except GrammarError as error:
        yield error
        if _HOLDS_STATEMENTS.search(sql, start, end):
            return end
        # what is open, a bracket for example, would hide all that follows
        number = bisect_right(ends, max(error.offset, start))
        return ends[number] if number < len(ends) else len(sql)
    return len(sql)


def _parsed_run(sql: bytes, start: int, end: int, trim: _Trim) -> Iterator[ParsedStatement]:
    run = sql[start:end] if end - start < len(sql) else sql
    if len(run) <= _LONGEST_CHAIN:
        _require_scannable(run)
    library = _library()
    result = library.pg_query_parse(run)
    try:
        if result.error:
            raise _error(result.error.contents, run).moved(start)
        text = result.tree
    finally:
        library.pg_query_free_parse_result(result)
    try:
        tree = _TREE.decode(text)
    except RecursionError:
        tree = _TREE.decode(_cut(text))
    for each in tree.stmts:
        if each.stmt:
            yield _parsed(each, trim, start, end)


def _parsed(entry: _Entry, trim: _Trim, start: int, end: int) -> ParsedStatement:
    ((kind, raw),) = entry.stmt.items()
    start += entry.stmt_location
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
_ATOMIC = 301  # of BEGIN ATOMIC … END, which holds statements
_SEMICOLON = _packed(SqlTokenKind.SEMICOLON)
_OPENS = {_packed(each) for each in (ord("("), ord("["), _CASE, _ATOMIC)}
_CLOSES = {_packed(each) for each in (ord(")"), ord("]"), _END)}
_SEPARATES = {_packed(each) for each in (ord(","), ord(";"), _WHEN, _THEN, _ELSE)}
_FLAT = {_packed(each) for each in (ord("."), *range(258, 268), *COMMENTS) if each != _OPERATOR}


def _runs(sql: bytes, size: int, begin: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of runs of whole statements from `begin` on, each of `size` bytes or a statement more.

    Refuses a chain (`1 + 1 + …`) so long that writing its tree could overflow the C stack, and a run that is too large.
    """
    levels = [0]
    for start, packed in _pieces(sql, begin):
        for match in _TOKEN.finditer(packed):
            kind = match[3]
            if kind in _OPENS:
                levels.append(0)
            elif kind in _CLOSES:
                if len(levels) > 1:
                    levels.pop()
            elif kind in _SEPARATES:
                levels[-1] = 0
                if kind == _SEMICOLON and len(levels) == 1:
                    end = start + _number(match[2])
                    if end - begin >= size:
                        yield _run(sql, begin, end)
                        begin = end
            elif kind not in _FLAT:
                levels[-1] += 1
                if levels[-1] > _LONGEST_CHAIN:
                    raise GrammarError("the statement nests too deeply", start + _number(match[1] or b"\0"))
    if begin < len(sql):
        yield _run(sql, begin, len(sql))


def _run(sql: bytes, begin: int, end: int) -> tuple[int, int]:
    if end - begin > LARGEST_STATEMENT + PIECE:
        first = _NOT_BLANK.search(sql, begin)
        raise GrammarError(
            f"the statement has more than {LARGEST_STATEMENT >> 20} MB",
            first.start() if first else begin,
            "its tree takes many times its size in memory; rows belong into a seed, whose .csv is read in batches",
        )
    return begin, end
