"""Find the row that makes a statement over many rows fail, by bisection."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from seedbed.engines.postgres.seeds import upsert_sql
from seedbed.engines.postgres.seeds.errors import is_same
from seedbed.engines.postgres.seeds.upsert_sql import UpsertStatements
from seedbed.engines.postgres.wire.messages import CANCELED

if TYPE_CHECKING:
    from psycopg import Connection

_SINGLES = 1_000  # rows that are tried one by one


def culprit(
    connection: Connection[tuple[Any, ...]],
    texts: UpsertStatements,
    template: str,
    count: int,
    error: psycopg.Error,
) -> int:
    """Return the number of the row, of those from 1 to `count`, by which `template` met `error`; 0 if nobody knows.

    The savepoint seedbed_part stands before the statement. What it did is taken back.
    """
    if connection.closed or error.sqlstate in {None, CANCELED}:
        return 0
    connection.execute("ROLLBACK TO SAVEPOINT seedbed_part")

    def fails_alike(condition: str, number: int) -> bool:
        chosen = sql.SQL(condition).format(row=texts.row, number=number)
        return _fails_alike(connection, texts.sql(template, chosen=chosen), error)

    # The first row without which the rows before it do not meet this error ...
    first = 1 + bisect_left(
        range(1, count + 1),
        True,
        key=lambda number: fails_alike("s.{row} OPERATOR(pg_catalog.<=) {number}", number),
    )
    if first > count:
        return 0
    # ... but a foreign key is checked at the end, and rows before may wait for this one.
    if error.sqlstate == psycopg.errors.ForeignKeyViolation.sqlstate:
        words = {"number": sql.Literal(first), "most": sql.Literal(_SINGLES)}
        before = connection.execute(texts.sql(upsert_sql.TO_WRITE, **words)).fetchall()
        return next(
            (n for (n,) in before if fails_alike("s.{row} " + upsert_sql.EQUALS + " {number}", n)), first
        )
    return first


def _fails_alike(
    connection: Connection[tuple[Any, ...]], statement: sql.Composed, error: psycopg.Error
) -> bool:
    """Return whether `statement` meets the very same error; nothing of it stays."""
    connection.execute("SAVEPOINT seedbed_row")
    try:
        connection.execute(statement)
    except psycopg.Error as again:
        if connection.closed or again.sqlstate == CANCELED:
            raise
        return is_same(again, error)
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK TO SAVEPOINT seedbed_row")
    return False
