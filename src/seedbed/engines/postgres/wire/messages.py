"""Sending text to the server as one simple-protocol message and reading its answers one by one.

The one protocol of both connections: libpq's own, which reads histories and applies plain migrations, and the
driver's, which has everything else and is imported when it is there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from seedbed.engines.postgres.files.quoting import quoted_name
from seedbed.engines.postgres.wire.libpq import CommandResult, Diagnostic, PlainConnection, Query, QueryFailed
from seedbed.errors import LeaseLost, SeedbedError, StepFailed

if TYPE_CHECKING:
    import psycopg

    from seedbed.engines.postgres.wire.driver import DriverConnection

    Connection: TypeAlias = PlainConnection | psycopg.Connection[tuple[Any, ...]]

_LOCKED = {"55P03", "40P01", "40001"}  # lock_not_available, deadlock_detected, serialization_failure
CANCELED = "57014"
_SYNTAX = "42601"
_INSUFFICIENT_PRIVILEGE = "42501"
_DENIED = re.compile(r"permission denied for (?P<kind>\w+) (?P<name>.+)")
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")
_RIGHTS = {"database": "CREATE", "schema": "USAGE, CREATE", "table": "ALL", "sequence": "ALL"}


class ServerError(Exception):
    """The server refused a statement; `finished` counts the answers that came before."""

    def __init__(self, diag: Diagnostic, finished: int) -> None:
        super().__init__(diag.message_primary or "")
        self.diag = diag
        self.finished = finished

    @property
    def sqlstate(self) -> str:
        return self.diag.sqlstate or ""

    @property
    def is_transient(self) -> bool:
        """Whether the same statement may succeed when it is run again: a lock, a deadlock, a serialization failure."""
        return self.sqlstate in _LOCKED

    @property
    def was_canceled(self) -> bool:
        return self.sqlstate == CANCELED and "user request" in str(self)

    @property
    def is_before(self) -> bool:
        """Whether the statement never began: its names and rights were refused, by no function that it had called."""
        context = self.diag.context or ""
        is_inside = context and not context.startswith('compilation of PL/pgSQL function "inline_code_block"')
        return self.sqlstate.startswith(("42", "3F")) and not is_inside

    @property
    def is_syntax(self) -> bool:
        return self.sqlstate == _SYNTAX

    @property
    def position(self) -> int | None:
        """Offset in characters, from 0, into the message that was sent."""
        return int(self.diag.statement_position) - 1 if self.diag.statement_position else None

    def because(self) -> str:
        """Return detail, hint and context in one line."""
        diag = self.diag
        parts = [diag.message_detail, diag.message_hint and f"hint: {diag.message_hint}", diag.context]
        return "; ".join(part for part in parts if part) or f"SQLSTATE {self.sqlstate}"


def send(connection: Connection, text: str) -> Iterator[CommandResult]:
    """Send `text` and yield an answer for each statement as it is done.

    Raises ServerError at the first that fails, after ending the transaction that it left behind; LeaseLost
    where the connection breaks, because the lease ends with it.
    """
    wire = plain(connection)
    count = 0
    failed: ServerError | None = None
    try:
        for each in wire.answers(text):
            if isinstance(each, Diagnostic):
                failed = failed or ServerError(each, count)
                continue
            count += 1
            yield each
    except QueryFailed as error:
        raise lost(error) from None
    if failed:
        raise rolled_back(connection, failed)


def rolled_back(connection: Connection, failed: ServerError) -> ServerError:
    """Return `failed` after ending the transaction that it left behind. Raises LeaseLost where the session is over."""
    if not plain(connection).is_open or failed.diag.severity_nonlocalized in {"FATAL", "PANIC"}:
        raise lost(failed)
    end_transaction(connection)
    return failed


def plain(connection: Connection) -> PlainConnection | DriverConnection:
    """Return what sends and reads text over `connection`."""
    if isinstance(connection, PlainConnection):
        return connection
    from seedbed.engines.postgres.wire.driver import DriverConnection

    return DriverConnection(connection)


def end_transaction(connection: Connection) -> None:
    """Roll back whatever is open."""
    wire = plain(connection)
    if not wire.is_idle:
        try:
            wire.rows("ROLLBACK")
        except QueryFailed as error:
            raise lost(error) from None


def refusal(connection: psycopg.Connection[tuple[Any, ...]], error: psycopg.Error) -> ServerError:
    """Return what psycopg raised about a statement as a ServerError. Raises LeaseLost where nobody answered."""
    from seedbed.engines.postgres.wire.driver import diagnostic

    if connection.closed or error.pgresult is None:
        raise lost(error) from None
    return ServerError(diagnostic(error), 0)


def run(connection: Connection, text: str) -> list[str]:
    """Send `text` and return the command tags of its statements."""
    return [answer.tag for answer in send(connection, text)]


def lost(error: Exception) -> LeaseLost:
    message = " ".join(str(error).split()) or type(error).__name__
    return LeaseLost(
        "the connection broke, and with it the lease",
        because=message,
        try_="run the same command again: what was committed is in the history, the rest is not there",
    )


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Turn what either connection raises meanwhile into LeaseLost or StepFailed; `doing` begins the sentence."""
    try:
        yield
    except ServerError as error:
        try_ = missing_right(error.sqlstate, str(error))
        raise StepFailed(f"{doing} failed: {error}", because=error.because(), try_=try_) from None
    except QueryFailed as error:
        if error.is_broken:
            raise lost(error) from None
        because = error.detail or f"SQLSTATE {error.sqlstate}"
        try_ = missing_right(error.sqlstate, str(error))
        raise StepFailed(f"{doing} failed: {error}", because=because, try_=try_) from None
    except Exception as error:
        if (translated := _of_driver(doing, error)) is None:
            raise
        raise translated from None


def _of_driver(doing: str, error: Exception) -> SeedbedError | None:
    """Return what an error of the driver means; None for any other, also where the driver was never imported."""
    driver = sys.modules.get("psycopg")
    if driver is None or not isinstance(error, driver.Error):
        return None
    if is_broken(error):
        return lost(error)
    diag = error.diag
    because = diag.message_detail or diag.message_hint or f"SQLSTATE {error.sqlstate}"
    what = diag.message_primary or str(error)
    return StepFailed(
        f"{doing} failed: {what}", because=because, try_=missing_right(error.sqlstate or "", what)
    )


def missing_right(sqlstate: str, message: str) -> str:
    """Return what to do about an error that says that a right is missing; empty for any other."""
    if sqlstate != _INSUFFICIENT_PRIVILEGE:
        return ""
    denied = _DENIED.search(message)
    if denied is None or denied["kind"] not in _RIGHTS:
        return "run it as the owner, or let the owner grant the right to the login that seedbed uses"
    kind, name = denied["kind"], denied["name"]
    name = name if _PLAIN_NAME.fullmatch(name) else quoted_name(name)
    return f"as the owner of the {kind}: GRANT {_RIGHTS[kind]} ON {kind.upper()} {name} TO the login that seedbed uses"


def asking(connection: Connection) -> Query:
    """Return a function that asks a query and raises QueryFailed where nobody answers or the server refuses it."""
    return plain(connection).rows


def was_canceled(error: psycopg.Error) -> bool:
    """Return whether a person, or we, canceled the statement; a timeout of the server's has the same code."""
    return error.sqlstate == CANCELED and "user request" in str(error)


def is_broken(error: psycopg.Error) -> bool:
    """Return whether `error` means that there is no connection any more."""
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
