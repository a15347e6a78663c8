"""The few functions of libpq that a first look needs, called directly.

Most commands find nothing to do: they connect, read the history in one round trip, and leave. The driver takes 130 ms
to import, more than everything else in such a command; libpq itself, which the driver brings along, takes 2. So
a session looks through this door first, and opens the driver's connection once it has work. See docs/adr.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping, Sequence
from ctypes import POINTER, c_char_p, c_int, c_void_p
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_CONNECTED, _ROWS, _DONE = 0, 2, 1  # CONNECTION_OK, PGRES_TUPLES_OK, PGRES_COMMAND_OK
_SQLSTATE = ord("C")  # PG_DIAG_SQLSTATE

Row = tuple[str | None, ...]


class QueryFailed(Exception):
    """libpq has no connection, or the server refused the query; `sqlstate` is empty without a connection."""

    def __init__(self, message: str, sqlstate: str = "") -> None:
        super().__init__(" ".join(message.split()))
        self.sqlstate = sqlstate

    @property
    def is_broken(self) -> bool:
        """Whether there is no connection any more."""
        return not self.sqlstate or self.sqlstate.startswith(("08", "57P"))


def is_available() -> bool:
    """Return whether the driver's own libpq can be called directly; otherwise the driver does everything."""
    return _library() is not None


@cache
def _library() -> ctypes.CDLL | None:
    path = _path()
    if path is None:
        return None
    library = ctypes.CDLL(str(path))
    signatures = {
        "PQconnectdbParams": ([POINTER(c_char_p), POINTER(c_char_p), c_int], c_void_p),
        "PQstatus": ([c_void_p], c_int),
        "PQerrorMessage": ([c_void_p], c_char_p),
        "PQserverVersion": ([c_void_p], c_int),
        "PQfinish": ([c_void_p], None),
        "PQsetNoticeProcessor": ([c_void_p, c_void_p, c_void_p], c_void_p),
        "PQexec": ([c_void_p, c_char_p], c_void_p),
        "PQresultStatus": ([c_void_p], c_int),
        "PQresultErrorField": ([c_void_p, c_int], c_char_p),
        "PQresultErrorMessage": ([c_void_p], c_char_p),
        "PQntuples": ([c_void_p], c_int),
        "PQnfields": ([c_void_p], c_int),
        "PQgetisnull": ([c_void_p, c_int, c_int], c_int),
        "PQgetvalue": ([c_void_p, c_int, c_int], c_char_p),
        "PQclear": ([c_void_p], None),
    }
    for name, (arguments, result) in signatures.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result
    return library


def _path() -> Path | None:
    """Return the shared object that the driver's wheel carries, found without importing the driver."""
    spec = find_spec("psycopg_binary")
    if spec is None or not spec.submodule_search_locations:
        return None
    package = Path(spec.submodule_search_locations[0])
    if sys.platform == "darwin":
        folder, pattern = package / ".dylibs", "libpq.*dylib"
    else:
        folder, pattern = package.with_name("psycopg_binary.libs"), "libpq-*.so*"
    return next(iter(sorted(folder.glob(pattern))), None)


def _say_nothing(_context: object, _message: object) -> None:
    """Take a notice and drop it: libpq itself would print it."""


_silent = ctypes.CFUNCTYPE(None, c_void_p, c_char_p)(_say_nothing)


class Look:
    """A connection that reads text. Not for several threads at once."""

    def __init__(self, keywords: Mapping[str, object]) -> None:
        """Connect. Raises QueryFailed."""
        library = _library()
        assert library is not None  # the caller asked is_available
        self._library = library
        self._open: int | None = library.PQconnectdbParams(
            _strings(list(keywords)), _strings([str(value) for value in keywords.values()]), 0
        )
        if library.PQstatus(self._open) != _CONNECTED:
            message = _text(library.PQerrorMessage(self._open))
            self.close()
            raise QueryFailed(message)
        library.PQsetNoticeProcessor(self._open, ctypes.cast(_silent, c_void_p), None)

    @property
    def server_version(self) -> int:
        version: int = self._library.PQserverVersion(self._open)
        return version

    def query(self, text: str) -> list[Row]:
        """Return the rows that `text` answers with, every value as the server writes it. Raises QueryFailed."""
        result = self._library.PQexec(self._open, text.encode())
        try:
            if self._library.PQresultStatus(result) not in {_ROWS, _DONE}:
                sqlstate = _text(self._library.PQresultErrorField(result, _SQLSTATE))
                raise QueryFailed(_text(self._library.PQresultErrorMessage(result)), sqlstate)
            return [self._row(result, number) for number in range(self._library.PQntuples(result))]
        finally:
            self._library.PQclear(result)

    def _row(self, result: int, number: int) -> Row:
        return tuple(
            None
            if self._library.PQgetisnull(result, number, column)
            else _text(self._library.PQgetvalue(result, number, column))
            for column in range(self._library.PQnfields(result))
        )

    def close(self) -> None:
        if self._open is not None:
            self._library.PQfinish(self._open)
            self._open = None


def _strings(values: Sequence[str]) -> ctypes.Array[c_char_p]:
    """Return a C array of strings that ends with NULL."""
    return (c_char_p * (len(values) + 1))(*[value.encode() for value in values], None)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
