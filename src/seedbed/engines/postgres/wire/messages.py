"""Sending text to the server as one simple-protocol message and reading its answers one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg import generators

from seedbed.engines.postgres.store.history import Ask
from seedbed.engines.postgres.wire.libpq import QueryFailed, Row
from seedbed.errors import LeaseLost, StepFailed

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.pq.abc import PGresult

FATAL = psycopg.pq.ExecStatus.FATAL_ERROR
_LOCKED = {"55P03", "40P01", "40001"}  # lock_not_available, deadlock_detected, serialization_failure
CANCELED = "57014"
_SYNTAX = "42601"


class ServerError(Exception):
    """The server refused a statement; `finished` counts the answers that came before."""

    def __init__(self, result: PGresult, finished: int) -> None:
        error = psycopg.errors.error_from_result(result)
        super().__init__(error.diag.message_primary or str(error))
        self.diag = error.diag
        self.finished = finished

    @property
    def sqlstate(self) -> str:
        return self.diag.sqlstate or ""

    @property
    def gave_way(self) -> bool:
        """Whether the same statement may well succeed a moment later."""
        return self.sqlstate in _LOCKED

    @property
    def was_canceled(self) -> bool:
        return self.sqlstate == CANCELED and "user request" in str(self)

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


class Answer(NamedTuple):
    """What the server said about one statement: its command tag, and its first value, if it returned one."""

    tag: str
    value: str


def send(connection: Connection[tuple[Any, ...]], text: str) -> Iterator[Answer]:
    """Send `text` and yield an answer for each statement as it is done.

    Raises ServerError at the first that fails, after ending the transaction that it left behind; LeaseLost
    where the connection breaks, because the lease ends with it.
    """
    count = 0
    try:
        connection.pgconn.send_query(text.encode())
        connection.wait(generators.send(connection.pgconn))
        failed: ServerError | None = None
        while (result := connection.wait(generators.fetch(connection.pgconn))) is not None:
            if result.status == FATAL:
                failed = failed or ServerError(result, count)
                continue
            count += 1
            value = result.get_value(0, 0) if result.ntuples else None
            yield Answer((result.command_status or b"").decode(), (value or b"").decode())
    except psycopg.Error as error:
        raise lost(error) from None
    if failed:
        if connection.closed or failed.diag.severity_nonlocalized in {"FATAL", "PANIC"}:
            raise lost(failed)
        end_transaction(connection)
        raise failed


def end_transaction(connection: Connection[tuple[Any, ...]]) -> None:
    """Roll back whatever is open."""
    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error as error:
            raise lost(error) from None


def refusal(connection: Connection[tuple[Any, ...]], error: psycopg.Error) -> ServerError:
    """Return what psycopg raised about a statement as a ServerError. Raises LeaseLost where nobody answered."""
    if connection.closed or error.pgresult is None:
        raise lost(error) from None
    return ServerError(error.pgresult, 0)


def run(connection: Connection[tuple[Any, ...]], text: str) -> list[str]:
    """Send `text` and return the command tags of its statements."""
    return [answer.tag for answer in send(connection, text)]


def lost(error: Exception) -> LeaseLost:
    said = " ".join(str(error).split()) or type(error).__name__
    return LeaseLost(
        "the connection broke, and with it the lease",
        because=said,
        try_="run the same command again: what was committed is in the history, the rest is not there",
    )


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Turn what the driver raises meanwhile into LeaseLost or StepFailed; `doing` begins the sentence."""
    try:
        yield
    except ServerError as error:
        raise StepFailed(f"{doing} failed: {error}", because=error.because()) from None
    except QueryFailed as error:
        raise StepFailed(f"{doing} failed: {error}", because=f"SQLSTATE {error.sqlstate}") from None
    except psycopg.Error as error:
        if is_broken(error):
            raise lost(error) from None
        diag = error.diag
        because = diag.message_detail or diag.message_hint or f"SQLSTATE {error.sqlstate}"
        raise StepFailed(f"{doing} failed: {diag.message_primary or error}", because=because) from None


def asking(connection: Connection[tuple[Any, ...]]) -> Ask:
    """Return a function that asks a query and raises QueryFailed, with its SQLSTATE, where the server refuses it."""

    def ask(text: str) -> list[Row]:
        try:
            return connection.execute(text.encode()).fetchall()
        except psycopg.Error as error:
            if is_broken(error):
                raise
            raise QueryFailed(error.diag.message_primary or str(error), error.sqlstate or "") from None

    return ask


def is_broken(error: psycopg.Error) -> bool:
    """Return whether `error` means that there is no connection any more."""
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
