"""Rows of queries that expectations ask: one statement, in a transaction that only reads, a few rows at a time.

The server sees to it that nothing is written: a cursor is declared for SELECT and VALUES alone, and of what a function
would change in a transaction that only reads it refuses everything but temporary tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg

from seedbed.engines.kit.rows import query_row, the_number, would_write
from seedbed.engines.postgres.running.reading import reading
from seedbed.errors import StepFailed
from seedbed.model.verification import QueryRow

if TYPE_CHECKING:
    Connection = psycopg.Connection[tuple[Any, ...]]

_AT_ONCE = 50  # rows in memory before they are cut
# read_only_sql_transaction; active_sql_transaction: it is to write from now on; feature_not_supported: WITH
# that changes data, in a cursor.
_WRITES = {"25006", "25001", "0A000"}
_CHANGES = {
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "TRUNCATE",
}  # what no cursor is declared for: a syntax error
_WRONG = "42"  # syntax_error_or_access_rule_violation: a name that is not there among it
_DENIED = "42501"  # insufficient_privilege
_DECLARE = "DECLARE seedbed_rows NO SCROLL CURSOR FOR "


def rows(connection: Connection, query: str, most: int) -> Sequence[QueryRow]:
    """Return the first `most` rows of `query`. Raises UsageError, StepFailed, Unreachable, Interrupted."""
    found: list[QueryRow] = []
    with reading("the rows of a query"):
        connection.execute("BEGIN READ ONLY; SET LOCAL row_security = off")  # what a policy hides is not kept
        try:
            _declare(connection, query)
            while len(found) < most:
                some = _fetch(connection, min(_AT_ONCE, most - len(found)))
                found += some
                if len(some) < _AT_ONCE:
                    break
        finally:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
    return found


def number(connection: Connection, query: str) -> Decimal:
    """Return the one value of `query`. Raises as `rows` does."""
    return the_number(rows(connection, query, 2))


def _declare(connection: Connection, query: str) -> None:
    # In the extended protocol, where one message has one statement: no COMMIT behind the query ends the transaction.
    try:
        with connection.cursor(binary=True) as cursor:
            cursor.execute(f"{_DECLARE}{query}".encode())
    except psycopg.Error as error:
        raise _refused(error, query) from None


def _fetch(connection: Connection, count: int) -> list[QueryRow]:
    """Return the next rows, values as the server writes them."""
    try:
        answer = connection.execute(f"FETCH {count} FROM seedbed_rows".encode()).pgresult
    except psycopg.Error as error:
        raise _refused(error, "") from None
    assert answer is not None
    names = [(answer.fname(column) or b"").decode() for column in range(answer.nfields)]
    values = (
        [answer.get_value(row, column) for column in range(answer.nfields)] for row in range(answer.ntuples)
    )
    return [query_row(names, [None if each is None else each.decode() for each in row]) for row in values]


def _refused(error: psycopg.Error, query: str) -> Exception:
    said = error.diag.message_primary or str(error)
    if error.sqlstate in _WRITES:
        return would_write(said)
    first = query.split(maxsplit=1)[0].upper() if query.strip() else ""
    if first in _CHANGES:
        return would_write(f"it begins with {first}")
    if query and (error.sqlstate or "").startswith(_WRONG) and error.sqlstate != _DENIED:
        at = int(error.diag.statement_position or 0) - len(_DECLARE)
        where = f", at character {at} of the query" if at > 0 else ""
        return StepFailed(
            f"the query of an expectation is wrong: {said}",
            because=(error.diag.message_detail or error.diag.message_hint or f"SQLSTATE {error.sqlstate}")
            + where,
            try_="correct the query: one SELECT, VALUES or WITH",
        )
    return error
