"""Tables of the sandbox for an application's tests: made as tables.toml declares them, and restored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from seedbed.engines.dynamodb.database import DynamoDatabase
from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.engines.dynamodb.session import connect
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.errors import SandboxError

if TYPE_CHECKING:
    from seedbed.model.target import Target

_MOST = 25  # writes in a BatchWriteItem
_TRIES = 50
Item = dict[str, Any]


class KeptTables:
    """The items that the tables of `target` held; `settings` lead there."""

    def __init__(self, target: Target, settings: Mapping[str, str]) -> None:
        self._target = target
        self._settings = settings
        with connect(target) as session:
            database = session.database
            self._items = {each.name: _items(database, each) for each in database.declared().tables}

    @contextmanager
    def fresh(self) -> Iterator[Mapping[str, str]]:
        """Restore the items, and yield the settings. Raises SandboxError."""
        with connect(self._target) as session:
            for table in session.database.declared().tables:
                self._restore(session.database, table)
        yield self._settings

    def _restore(self, database: DynamoDatabase, table: TableShape) -> None:
        try:
            found = _items(database, table)
        except ServiceError as error:
            if error.code != NOT_FOUND:
                raise
            raise SandboxError(
                f"the table {database.physical(table.name)} is gone",
                because="a test deleted it",
                try_="let tests delete items, not tables",
            ) from None
        kept = self._items[table.name]
        requests = [
            {"DeleteRequest": {"Key": {name: item[name] for name in (*table.key.partition, *table.key.sort)}}}
            for key, item in found.items()
            if key not in kept
        ]
        requests += [{"PutRequest": {"Item": item}} for key, item in kept.items() if found.get(key) != item]
        _write(database.client, database.physical(table.name), requests)


def _items(database: DynamoDatabase, table: TableShape) -> dict[str, Item]:
    """Return all items of `table` by their keys, as text."""
    names = (*table.key.partition, *table.key.sort)
    request: dict[str, Any] = {"TableName": database.physical(table.name), "ConsistentRead": True}
    found: dict[str, Item] = {}
    while True:
        page = database.client.call("Scan", request)
        found |= {repr([item[name] for name in names]): item for item in page["Items"]}
        if not page.get("LastEvaluatedKey"):
            return found
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _write(client: Client, table: str, requests: Sequence[Any]) -> None:
    for first in range(0, len(requests), _MOST):
        rest: Any = {table: requests[first : first + _MOST]}
        for _ in range(_TRIES):
            rest = client.call("BatchWriteItem", {"RequestItems": rest}).get("UnprocessedItems")
            if not rest:
                break
        else:
            raise SandboxError(f"the items of {table} cannot be restored", because="writes stay undone")
