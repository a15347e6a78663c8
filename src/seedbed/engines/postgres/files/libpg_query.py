"""libpg_query, loaded directly: PostgreSQL's own scanner and parser.

The postgast distribution carries the shared object; importing postgast itself costs a quarter of a second for
protobuf classes that nobody here needs. libpg_query keeps its state per thread, and ctypes lets other threads
run meanwhile. Offsets are bytes of UTF-8.
"""

from __future__ import annotations

from ctypes import CDLL, POINTER, Structure, c_char_p, c_int, c_size_t, c_void_p, string_at
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seedbed.errors import SeedbedError
from seedbed.support.phrases import shorten

_LIBRARIES = ("libpg_query.so", "libpg_query.dylib")
_LONGEST_MESSAGE = 200  # characters: it quotes the file, up to the end of what is not closed
_REFUSES = "PostgreSQL's own grammar refuses it"


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


def scanned(sql: bytes) -> bytes:
    """Return the tokens of `sql`, which has no NUL, as libpg_query packs them. Raises GrammarError."""
    library = _library()
    result = library.pg_query_scan(sql)
    try:
        if result.error:
            raise _error(result.error.contents, sql)
        return string_at(result.data, result.length)
    finally:
        library.pg_query_free_scan_result(result)


def tree_of(sql: bytes) -> bytes:
    """Return the tree of `sql`, which has no NUL, as JSON. Raises GrammarError."""
    library = _library()
    result = library.pg_query_parse(sql)
    try:
        if result.error:
            raise _error(result.error.contents, sql)
        tree: bytes = result.tree
        return tree
    finally:
        library.pg_query_free_parse_result(result)


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
