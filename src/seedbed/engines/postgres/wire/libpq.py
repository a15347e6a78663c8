"""The few functions of libpq that reading a history and applying plain migrations need, called directly.

Most commands find nothing to do: they connect, read the history in one round trip, and leave. Most others send
statements and read what the server says about them. The driver takes 130 ms to import, more than everything else in
such a command; libpq itself, which the driver brings along, takes 2. See docs/adr/0011 and 0034.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from ctypes import POINTER, c_char_p, c_int, c_void_p
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

_CONNECTED = _IDLE = 0  # CONNECTION_OK, PQTRANS_IDLE
_BAD = 1  # CONNECTION_BAD
_POLLING_FAILED, _POLLING_READING, _POLLING_OK = 0, 1, 3  # PGRES_POLLING_*
_COPIES, _ERRORS = {3, 4, 8}, {5, 7}  # PGRES_COPY_OUT, _COPY_IN, _COPY_BOTH; _BAD_RESPONSE, _FATAL_ERROR

Row = tuple[str | None, ...]
Query = Callable[[str], Sequence[Row]]  # a query -> its rows, whose values are all text; raises QueryFailed


class QueryFailed(Exception):
    """There is no connection, or the server refused the query; `sqlstate` is empty without a connection."""

    def __init__(self, message: str, sqlstate: str = "", detail: str = "") -> None:
        super().__init__(" ".join(message.split()))
        self.sqlstate = sqlstate
        self.detail = detail

    @property
    def is_broken(self) -> bool:
        """Whether there is no connection any more."""
        return not self.sqlstate or self.sqlstate.startswith(("08", "57P"))


class CommandResult(NamedTuple):
    """The result of one statement: its command tag, and its first value, if it returned one."""

    tag: str
    value: str


class Diagnostic(NamedTuple):
    """What the server says about an error or a notice; fields are named as the driver names them."""

    severity_nonlocalized: str | None
    sqlstate: str | None
    message_primary: str | None
    message_detail: str | None
    message_hint: str | None
    context: str | None
    statement_position: str | None


_FIELDS = [ord(code) for code in "VCMDHWP"]  # PG_DIAG_*, in the order of Diagnostic


def is_available() -> bool:
    """Return whether the driver's own libpq can be called directly; otherwise the driver does everything."""
    return _library() is not None


_SIGNATURES: dict[str, tuple[list[Any], Any]] = {
    "PQconnectStartParams": ([POINTER(c_char_p), POINTER(c_char_p), c_int], c_void_p),
    "PQconnectPoll": ([c_void_p], c_int),
    "PQstatus": ([c_void_p], c_int),
    "PQerrorMessage": ([c_void_p], c_char_p),
    "PQserverVersion": ([c_void_p], c_int),
    "PQbackendPID": ([c_void_p], c_int),
    "PQuser": ([c_void_p], c_char_p),
    "PQsocket": ([c_void_p], c_int),
    "PQtransactionStatus": ([c_void_p], c_int),
    "PQfinish": ([c_void_p], None),
    "PQsetnonblocking": ([c_void_p, c_int], c_int),
    "PQsetNoticeReceiver": ([c_void_p, c_void_p, c_void_p], c_void_p),
    "PQsendQuery": ([c_void_p, c_char_p], c_int),
    "PQflush": ([c_void_p], c_int),
    "PQconsumeInput": ([c_void_p], c_int),
    "PQisBusy": ([c_void_p], c_int),
    "PQgetResult": ([c_void_p], c_void_p),
    "PQresultStatus": ([c_void_p], c_int),
    "PQresultErrorField": ([c_void_p, c_int], c_char_p),
    "PQresultErrorMessage": ([c_void_p], c_char_p),
    "PQcmdStatus": ([c_void_p], c_char_p),
    "PQntuples": ([c_void_p], c_int),
    "PQnfields": ([c_void_p], c_int),
    "PQgetisnull": ([c_void_p, c_int, c_int], c_int),
    "PQgetvalue": ([c_void_p, c_int, c_int], c_char_p),
    "PQclear": ([c_void_p], None),
    "PQcancelCreate": ([c_void_p], c_void_p),
    "PQcancelBlocking": ([c_void_p], c_int),
    "PQcancelFinish": ([c_void_p], None),
}


@cache
def _library() -> ctypes.CDLL | None:
    path = _path()
    if path is None:
        return None
    try:
        library = ctypes.CDLL(str(path))
        for name, (arguments, result) in _SIGNATURES.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, result
    except (
        OSError,
        AttributeError,
    ):  # it cannot be loaded; it is older than version 17, which cancels over TLS
        return None
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


class PlainConnection:
    """A connection that sends text and reads text. One thread at a time; `cancel` and `close` from any.

    It waits in Python, not in libpq, so that a signal's handler runs while the server is at work.
    """

    def __init__(self, keywords: Mapping[str, object], *, timeout: float) -> None:
        """Connect within `timeout` seconds. Raises QueryFailed."""
        library = _library()
        assert library is not None  # the caller asked is_available
        self._library = library
        self._lock = threading.Lock()  # nobody cancels on a connection that is being freed
        self._on_notice: Callable[[Diagnostic], None] | None = None
        self._is_connecting = True
        self._unheard: list[Diagnostic] = []  # warnings at the login, before anybody can listen
        self._receiver = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)(self._receive)
        self._open: int | None = library.PQconnectStartParams(
            _strings(list(keywords)), _strings([str(value) for value in keywords.values()]), 0
        )
        library.PQsetNoticeReceiver(self._open, ctypes.cast(self._receiver, c_void_p), None)
        try:
            self._connect(timeout)
        except QueryFailed:
            self.close()
            raise
        self._is_connecting = False
        library.PQsetnonblocking(self._open, 1)
        self._poll = select.poll()
        self._socket: int = library.PQsocket(self._open)

    def _connect(self, timeout: float) -> None:
        """Go through the login, waiting in Python between its steps. Raises QueryFailed."""
        library, until = self._library, time.monotonic() + timeout
        status, events = library.PQstatus(self._open), select.POLLOUT
        while status != _BAD:
            poll = select.poll()  # a host may have several addresses, and each has a socket of its own
            poll.register(library.PQsocket(self._open), events)
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                raise QueryFailed(f"nothing answered within {timeout:g} s")
            polling = library.PQconnectPoll(self._open)
            if polling == _POLLING_OK:
                return
            if polling == _POLLING_FAILED:
                break
            events = select.POLLIN if polling == _POLLING_READING else select.POLLOUT
        raise self._broken()

    @property
    def on_notice(self) -> Callable[[Diagnostic], None] | None:
        """Who is told what the server says on the side; those told first hear what came before."""
        return self._on_notice

    @on_notice.setter
    def on_notice(self, listener: Callable[[Diagnostic], None]) -> None:
        self._on_notice = listener
        while self._unheard:
            listener(self._unheard.pop(0))

    @property
    def server_version(self) -> int:
        return int(self._library.PQserverVersion(self._open))

    @property
    def backend_pid(self) -> int:
        """The server process that the connection began with; another one answers where a pooler stands between."""
        return int(self._library.PQbackendPID(self._open))

    @property
    def user(self) -> str:
        return _text(self._library.PQuser(self._open))

    @property
    def is_open(self) -> bool:
        return self._open is not None and self._library.PQstatus(self._open) == _CONNECTED

    @property
    def is_idle(self) -> bool:
        """Whether no transaction is open."""
        return bool(self._library.PQtransactionStatus(self._open) == _IDLE)

    def rows(self, text: str) -> list[Row]:
        """Return the rows that `text` answers with, every value as the server writes it. Raises QueryFailed."""
        rows: list[Row] = []
        failed: Diagnostic | None = None
        for result in self._results(text):
            failed = failed or self._refusal(result)
            rows += [self._row(result, number) for number in range(self._library.PQntuples(result))]
        if failed:
            raise QueryFailed(
                failed.message_primary or "", failed.sqlstate or "", failed.message_detail or ""
            )
        return rows

    def answers(self, text: str) -> Iterator[CommandResult | Diagnostic]:
        """Send `text` and yield what the server says about each statement. Raises QueryFailed: nothing answers."""
        for result in self._results(text):
            if (refused := self._refusal(result)) is not None:
                yield refused
                continue
            # Rows may have no column at all (SELECT FROM t): asked for its value, libpq would make up a notice.
            has_value = self._library.PQntuples(result) and self._library.PQnfields(result)
            value = _text(self._library.PQgetvalue(result, 0, 0)) if has_value else ""
            yield CommandResult(_text(self._library.PQcmdStatus(result)), value)

    def cancel(self) -> None:
        """Ask the server to end the statement that runs; nothing happens where none does."""
        with self._lock:
            if self._open is None:
                return
            request = self._library.PQcancelCreate(self._open)
        try:
            self._library.PQcancelBlocking(request)
        finally:
            self._library.PQcancelFinish(request)

    def cut(self) -> None:
        """Break the connection; whoever waits on it is told so."""
        with self._lock:
            if self._open is not None:
                cut(self._socket)

    def close(self) -> None:
        with self._lock:
            if self._open is not None:
                self._library.PQfinish(self._open)
                self._open = None

    def _results(self, text: str) -> Iterator[int]:
        library = self._library
        if not library.PQsendQuery(self._open, text.encode()):
            raise self._broken()
        while library.PQflush(self._open) == 1:
            self._wait(select.POLLIN | select.POLLOUT)
            self._read()
        while True:
            while library.PQisBusy(self._open):
                self._wait(select.POLLIN)
                self._read()
            result = library.PQgetResult(self._open)
            if not result:
                return
            try:
                if library.PQresultStatus(result) in _COPIES:
                    raise QueryFailed("the server waits for rows of a COPY, and there are none")
                yield result
            finally:
                library.PQclear(result)

    def _wait(self, events: int) -> None:
        self._poll.register(self._socket, events)
        self._poll.poll()

    def _read(self) -> None:
        if not self._library.PQconsumeInput(self._open):
            raise self._broken()

    def _broken(self) -> QueryFailed:
        return QueryFailed(_text(self._library.PQerrorMessage(self._open)))

    def _refusal(self, result: int) -> Diagnostic | None:
        if self._library.PQresultStatus(result) not in _ERRORS:
            return None
        found = self._diagnostic(result)
        if found.message_primary:
            return found
        return found._replace(message_primary=_text(self._library.PQresultErrorMessage(result)))

    def _diagnostic(self, result: int) -> Diagnostic:
        fields = [self._library.PQresultErrorField(result, code) for code in _FIELDS]
        return Diagnostic(*(None if each is None else _text(each) for each in fields))

    def _receive(self, _context: object, result: int) -> None:
        diagnostic = self._diagnostic(result)
        if self._on_notice is not None:
            self._on_notice(diagnostic)
        elif self._is_connecting:
            self._unheard.append(diagnostic)

    def _row(self, result: int, number: int) -> Row:
        library = self._library
        return tuple(
            None
            if library.PQgetisnull(result, number, column)
            else _text(library.PQgetvalue(result, number, column))
            for column in range(library.PQnfields(result))
        )


def cut(descriptor: int) -> None:
    """End both directions of the connection that a socket has, whoever is about to read from it or write to it."""
    with socket.socket(fileno=os.dup(descriptor)) as line, suppress(OSError):  # it may have ended by itself
        line.shutdown(socket.SHUT_RDWR)


def _strings(values: Sequence[str]) -> ctypes.Array[c_char_p]:
    """Return a C array of strings that ends with NULL."""
    return (c_char_p * (len(values) + 1))(*[value.encode() for value in values], None)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
