"""The driver's connection, seen as a `PlainConnection` is: text is sent, answers come back one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import Connection, Cursor, generators
from psycopg.pq import ExecStatus, TransactionStatus

from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.libpq import CommandResult, Diagnostic, QueryFailed, Row


class DriverConnection:
    """Wraps a connection of psycopg's, which whoever needs more takes from `driver`."""

    def __init__(self, driver: Connection[tuple[Any, ...]]) -> None:
        self.driver = driver

    @property
    def backend_pid(self) -> int:
        return self.driver.info.backend_pid

    @property
    def user(self) -> str:
        return self.driver.info.user

    @property
    def is_open(self) -> bool:
        return not self.driver.closed

    @property
    def is_idle(self) -> bool:
        return self.driver.info.transaction_status == TransactionStatus.IDLE

    def rows(self, text: str) -> list[Row]:
        """Return the rows that a query answers with, whose values are all text. Raises QueryFailed."""
        try:
            with self.driver.cursor() as cursor:
                return _fetched(cursor.execute(text.encode()))
        except psycopg.Error as error:
            diag = error.diag
            sqlstate = error.sqlstate or ""
            raise QueryFailed(
                diag.message_primary or str(error), sqlstate, diag.message_detail or ""
            ) from None

    def answers(self, text: str) -> Iterator[CommandResult | Diagnostic]:
        """Send `text` and yield what the server says about each statement. Raises QueryFailed: nothing answers."""
        driver = self.driver
        try:
            driver.pgconn.send_query(text.encode())
            driver.wait(generators.send(driver.pgconn))
            while (result := driver.wait(generators.fetch(driver.pgconn))) is not None:
                if result.status == ExecStatus.FATAL_ERROR:
                    yield diagnostic(psycopg.errors.error_from_result(result))
                    continue
                value = result.get_value(0, 0) if result.ntuples and result.nfields else None
                yield CommandResult((result.command_status or b"").decode(), (value or b"").decode())
        except psycopg.Error as error:
            raise QueryFailed(str(error) or type(error).__name__) from None


def rows_of_all(connection: Connection[tuple[Any, ...]], text: str) -> list[tuple[Any, ...]]:
    """Return the rows of all statements in `text`, sent in one message; the transaction is rolled back."""
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        return _fetched(cursor.execute(text.encode()))


def _fetched(cursor: Cursor[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the rows of all results."""
    rows: list[tuple[Any, ...]] = []
    while True:
        if cursor.description:
            rows += cursor.fetchall()
        if not cursor.nextset():
            return rows


def own_rows(connection: Connection[tuple[Any, ...]], text: str) -> list[tuple[Any, ...]]:
    """Return the rows of `text`, which finds only the server's own objects; whatever else it names is qualified."""
    return rows_of_all(connection, f"{OWN_PATH}; {text}")


def relation(connection: Connection[tuple[Any, ...]], name: str) -> int:
    """Return the oid of what the quoted `name` means in this session, whose search_path counts; 0 for nothing."""
    query = "SELECT pg_catalog.to_regclass(%s)::pg_catalog.oid"
    row = connection.execute(query, [name]).fetchone()
    return int(row[0] or 0) if row else 0


def diagnostic(error: psycopg.Error) -> Diagnostic:
    """Return the diagnostics of a statement that the server rejected."""
    diag = error.diag
    return Diagnostic(
        diag.severity_nonlocalized,
        diag.sqlstate,
        diag.message_primary or str(error),
        diag.message_detail,
        diag.message_hint,
        diag.context,
        diag.statement_position,
    )
