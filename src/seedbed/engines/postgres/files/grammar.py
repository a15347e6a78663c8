"""The statements of SQL, by PostgreSQL's own grammar. Offsets are bytes of UTF-8."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from seedbed.engines.postgres.files import libpg_query, scanner
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.files.scanner import COMMENTS, SqlToken, SqlTokenKind, number, packed, scan

_DEEPEST = 100  # levels of a tree that are kept when it is too deep to be read whole
LARGEST_STATEMENT = 16 << 20  # bytes
_HOLDS_STATEMENTS = re.compile(rb"\batomic\b", re.IGNORECASE)
_NOT_BLANK = re.compile(rb"\S")
_LONGEST_CHAIN = 10_000  # the grammar's own bound where it recurses to the right

_T = TypeVar("_T")


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


class _Entry(msgspec.Struct):
    stmt: dict[str, msgspec.Raw] = {}
    stmt_location: int = 0
    stmt_len: int = 0


class _Tree(msgspec.Struct):
    stmts: list[_Entry] = []


_TREE = msgspec.json.Decoder(_Tree)
_ANY = msgspec.json.Decoder(dict[str, Any])

_JSON = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def parse(sql: bytes, comments: Iterable[SqlToken] | None = None) -> tuple[ParsedStatement, ...]:
    """Return the statements of `sql`, which has no NUL; `comments` are all of its own, where they are known.

    Raises GrammarError.
    """
    return tuple(parsed(sql, comments))


def parsed(sql: bytes, comments: Iterable[SqlToken] | None = None) -> Iterator[ParsedStatement]:
    """Yield the statements that `parse` returns. Of a large text, the trees of one piece are in memory at a time."""
    trim = _Trim(sql, scan(sql) if comments is None else comments)
    for start, end in (
        _runs(sql, scanner.PIECE) if len(sql) > min(scanner.PIECE, _LONGEST_CHAIN) else [(0, len(sql))]
    ):
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
        scanner.require_scannable(run)
    try:
        text = libpg_query.tree_of(run)
    except GrammarError as error:
        raise error.moved(start) from None
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
_SEMICOLON = packed(SqlTokenKind.SEMICOLON)
_OPENS = {packed(each) for each in (ord("("), ord("["), _CASE, _ATOMIC)}
_CLOSES = {packed(each) for each in (ord(")"), ord("]"), _END)}
_SEPARATES = {packed(each) for each in (ord(","), ord(";"), _WHEN, _THEN, _ELSE)}
_FLAT = {packed(each) for each in (ord("."), *range(258, 268), *COMMENTS) if each != _OPERATOR}


def _runs(sql: bytes, size: int, begin: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of runs of whole statements from `begin` on, each of `size` bytes or a statement more.

    Refuses a chain (`1 + 1 + …`) so long that writing its tree could overflow the C stack, and a run that is too large.
    """
    levels = [0]
    for start, tokens in scanner.pieces(sql, begin):
        for match in scanner.TOKEN.finditer(tokens):
            kind = match[3]
            if kind in _OPENS:
                levels.append(0)
            elif kind in _CLOSES:
                if len(levels) > 1:
                    levels.pop()
            elif kind in _SEPARATES:
                levels[-1] = 0
                if kind == _SEMICOLON and len(levels) == 1:
                    end = start + number(match[2])
                    if end - begin >= size:
                        yield _run(sql, begin, end)
                        begin = end
            elif kind not in _FLAT:
                levels[-1] += 1
                if levels[-1] > _LONGEST_CHAIN:
                    raise GrammarError("the statement nests too deeply", start + number(match[1] or b"\0"))
    if begin < len(sql):
        yield _run(sql, begin, len(sql))


def _run(sql: bytes, begin: int, end: int) -> tuple[int, int]:
    if end - begin > LARGEST_STATEMENT + scanner.PIECE:
        first = _NOT_BLANK.search(sql, begin)
        raise GrammarError(
            f"the statement has more than {LARGEST_STATEMENT >> 20} MB",
            first.start() if first else begin,
            "its tree takes many times its size in memory; rows belong into a seed, whose .csv is read in batches",
        )
    return begin, end
