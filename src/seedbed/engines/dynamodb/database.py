"""One database as everything that works on it needs it: the client, and the physical names of its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePath
from typing import Any

from msgspec import Struct, field

from seedbed.aws.cloud import Cloud
from seedbed.engines.dynamodb.address import Address
from seedbed.engines.dynamodb.schema.shape import HISTORY, TableShape, TableShapes
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.errors import Busy, Hint, Refused, SeedbedError, StepFailed, call
from seedbed.model.migration import Migration
from seedbed.model.names import table_name


class DynamoDatabase(Struct):
    """One database of one service in one environment; `directory` holds its tables.toml, if it has one.

    `spent` is told the read units of each answer in which ids are read; what it raises ends that.
    `copy`: as in its address.
    """

    target: str
    address: Address
    client: Client
    service: str
    environment: str
    directory: PurePath
    spent: Callable[[float], None] = lambda _: None
    copy: str = ""
    _shapes: dict[str, TableShape] = field(default_factory=dict)
    _declared: TableShapes | None = None

    @property
    def cloud(self) -> Cloud:
        return self.address.cloud

    @property
    def history(self) -> str:
        """The physical name of the table with seedbed's own items."""
        return self.physical(HISTORY)

    def physical(self, table: str) -> str:
        name = copied(table, self.copy) if self.copy else table
        return table_name(self.service, name, self.environment)

    def declared(self) -> TableShapes:
        """Return what tables.toml declares, nothing where there is none. Raises ManifestError."""
        if self._declared is None:
            from seedbed.engines.dynamodb.schema.read import read_declared

            self._declared = read_declared(self.directory)
        return self._declared

    def shape(self, table: str) -> TableShape:
        """Return the shape of the logical `table`: as declared, else its current one. Raises ServiceError."""
        if found := self.declared().table(table):
            return found
        if table not in self._shapes:
            self._shapes[table] = self.current(table)
        return self._shapes[table]

    def current(self, table: str) -> TableShape:
        """Return the current shape of the logical `table`. Raises ServiceError."""
        from seedbed.engines.dynamodb.schema.current import described

        return described(self.description(table), self.ttl(table), name=table)

    def current_tables(self) -> TableShapes:
        """Return the current shapes of those declared tables that exist. Raises ManifestError, ServiceError."""
        found = []
        for table in self.declared().tables:
            try:
                found.append(self.current(table.name))
            except ServiceError as error:
                if error.code != NOT_FOUND:
                    raise
        return TableShapes(tuple(found))

    def description(self, table: str) -> dict[str, Any]:
        """Return the answer of DescribeTable for the logical `table`. Raises ServiceError."""
        answer: dict[str, Any] = self.client.call("DescribeTable", {"TableName": self.physical(table)})
        found: dict[str, Any] = answer["Table"]
        return found

    def ttl(self, table: str) -> dict[str, Any]:
        """Return the answer of DescribeTimeToLive for the logical `table`. Raises ServiceError."""
        answer = self.client.call("DescribeTimeToLive", {"TableName": self.physical(table)})
        found: dict[str, Any] = answer.get("TimeToLiveDescription", {})
        return found


def copied(table: str, copy: str) -> str:
    """Return the logical name of the copy of a table, which migrations reach as a sibling."""
    return f"{table}.{copy}"


@contextmanager
def translate_errors(database: DynamoDatabase, doing: str) -> Iterator[None]:
    """Translate what DynamoDB refuses while `doing` something into an error with cause and remedy."""
    try:
        yield
    except ServiceError as error:
        raise refusal(database, doing, error) from None


def refusal(database: DynamoDatabase, doing: str, error: ServiceError) -> SeedbedError:
    """Return the error, with cause and remedy, about what DynamoDB refused while `doing` something."""
    if error.code == NOT_FOUND:
        return not_deployed(database)
    try_ = error.try_ or "see what it says, and run it again"
    return StepFailed(f"{doing} failed: {error.what}", because=error.because, try_=try_)


def not_deployed(database: DynamoDatabase, table: str = HISTORY) -> Refused | Busy:
    """Return the error for a missing table; Busy where it is being created: DynamoDB has one code for both."""
    name = database.physical(table)
    with suppress(SeedbedError):
        status = database.description(table).get("TableStatus", "")
        if status not in {"ACTIVE", "UPDATING"}:
            return Busy(
                f"the table {name} is {status}",
                because="nothing can be read from it or written to it meanwhile",
                try_="run the same command again in a minute",
            )
    return Refused(
        f"{database.target} is not deployed in {database.environment}",
        because=f"there is no table {name} in {database.address}",
        try_=Hint(call("deploy", about=database.target)),
    )


def needed(migration: Migration) -> list[str]:
    """Return the tables and indexes that `migration` works with ("courses", "courses.by_teacher"), its own first."""
    own = migration.settings.get("table", "")
    others = migration.settings.get("needs", "").split(",")
    return list(dict.fromkeys(each.strip() for each in (own, *others) if each.strip()))
