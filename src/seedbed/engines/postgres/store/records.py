"""Records of an environment, in a schema of their own: releases, what they refer to, who approved them.

Each call has a connection of its own: one that is idle between the steps of a release would be in the way of a server
that sleeps, and of a failover. Who left an approval, and when, are the defaults of columns: a login that may insert
into the other columns alone cannot say anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.wire.connection import open_connection
from seedbed.engines.records import Left, Record
from seedbed.errors import Refused, Unreachable

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")
SCHEMA = "seedbed_releases"
_LOCK = 7_309_940_833_213_431_072  # a number of ours: two that make the tables at once would be in each other's way
_DEFINITION = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.records (
    environment text NOT NULL,
    number      integer NOT NULL,
    revision    integer NOT NULL,
    writer      text NOT NULL,
    record      bytea NOT NULL,
    PRIMARY KEY (environment, number)
);
CREATE TABLE IF NOT EXISTS {SCHEMA}.blobs (
    environment text NOT NULL,
    name        text NOT NULL,
    data        bytea NOT NULL,
    PRIMARY KEY (environment, name)
);
CREATE TABLE IF NOT EXISTS {SCHEMA}.approvals (
    environment text NOT NULL,
    number      integer NOT NULL,
    step        text NOT NULL,
    login       text NOT NULL DEFAULT session_user,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    approval    bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS approvals_of_release ON {SCHEMA}.approvals (environment, number);
COMMENT ON SCHEMA {SCHEMA} IS 'seedbed: releases of this environment';
"""
_CREATE = (
    f"INSERT INTO {SCHEMA}.records (environment, number, revision, writer, record) "
    "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_REPLACE = (
    f"UPDATE {SCHEMA}.records SET revision = %s, writer = %s, record = %s "
    "WHERE environment = %s AND number = %s AND revision = %s"
)
_PUT = (
    f"INSERT INTO {SCHEMA}.blobs (environment, name, data) VALUES (%s, %s, %s) "
    "ON CONFLICT (environment, name) DO UPDATE SET data = excluded.data"
)
_LEAVE = f"INSERT INTO {SCHEMA}.approvals (environment, number, step, approval) VALUES (%s, %s, %s, %s)"
_LEFT = f"""
SELECT DISTINCT ON (step, login) step, login, extract(epoch FROM at)::float8, approval
FROM {SCHEMA}.approvals WHERE environment = %s AND number = %s ORDER BY step, login, at DESC
"""


class PostgresRecords:
    """See `Records`."""

    def __init__(self, address: Address, environment: str) -> None:
        self._address = address
        self._environment = environment

    def now(self) -> float:
        ((seconds,),) = self._read("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(seconds)

    def user(self) -> str:
        ((name,),) = self._read("SELECT session_user::text")
        return str(name)

    def numbers(self) -> Sequence[int]:
        text = f"SELECT number FROM {SCHEMA}.records WHERE environment = %s ORDER BY number"
        return [int(row[0]) for row in self._read(text, self._environment)]

    def load(self, number: int) -> Record | None:
        text = f"SELECT revision, writer, record FROM {SCHEMA}.records WHERE environment = %s AND number = %s"
        rows = self._read(text, self._environment, number)
        return next((Record(int(row[0]), str(row[1]), bytes(row[2])) for row in rows), None)

    def write(self, number: int, record: Record) -> bool:
        new = (record.revision, record.writer, record.data)
        if record.revision == 0:
            return self._write(_CREATE, self._environment, number, *new) == 1
        return self._write(_REPLACE, *new, self._environment, number, record.revision - 1) == 1

    def put(self, name: str, data: bytes) -> None:
        self._write(_PUT, self._environment, name, data)

    def get(self, name: str) -> bytes | None:
        text = f"SELECT data FROM {SCHEMA}.blobs WHERE environment = %s AND name = %s"
        return next((bytes(row[0]) for row in self._read(text, self._environment, name)), None)

    def leave(self, number: int, step: str, data: bytes) -> None:
        self._write(_LEAVE, self._environment, number, step, data)

    def left(self, number: int) -> Sequence[Left]:
        rows = self._read(_LEFT, self._environment, number)
        return [Left(str(row[0]), str(row[1]), float(row[2]), bytes(row[3])) for row in rows]

    def _read(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """Return rows; none where nothing was ever written."""
        from psycopg import errors

        def ask(connection: Connection[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            try:
                return connection.execute(text.encode(), values, binary=True).fetchall()
            except (errors.UndefinedTable, errors.InvalidSchemaName):
                return []

        return self._asking(ask)

    def _write(self, text: str, *values: object) -> int:
        """Return how many rows were written; the tables are made where they are not there."""
        from psycopg import errors

        def ask(connection: Connection[tuple[Any, ...]]) -> int:
            try:
                return connection.execute(text.encode(), values).rowcount
            except (errors.UndefinedTable, errors.InvalidSchemaName):
                with connection.transaction():
                    connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [_LOCK])
                    connection.execute(_DEFINITION.encode())
                return connection.execute(text.encode(), values).rowcount

        return self._asking(ask)

    def _asking(self, ask: Callable[[Connection[tuple[Any, ...]]], T]) -> T:
        with self._connected() as connection:
            return ask(connection)

    @contextmanager
    def _connected(self) -> Iterator[Connection[tuple[Any, ...]]]:
        import psycopg

        with open_connection(self._address) as connection:
            try:
                # What others made under the name of a function or an operator is never ours to run.
                connection.execute("SET search_path = pg_catalog, pg_temp")
                yield connection
            except psycopg.errors.InsufficientPrivilege as error:
                raise Refused(
                    f"{connection.info.user} may not do that in the schema {SCHEMA}",
                    because=_first_line(error),
                    try_="let its owner grant it: see the page about rights",
                ) from None
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                raise Unreachable(
                    "the database that keeps the releases does not answer",
                    because=_first_line(error),
                    try_="run the command again",
                ) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
