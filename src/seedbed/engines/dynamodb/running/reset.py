"""Emptying a database: every item of its tables, and seedbed's own but the lease. The tables are CDK's and stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.engines.dynamodb.store import history
from seedbed.engines.dynamodb.store.fenced_writer import SOME, FencedWriter
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.engines.dynamodb.wire.values import Item
from seedbed.errors import Refused
from seedbed.support.phrases import count, number


def reset(lease: FencedWriter) -> str:
    """Remove all items and return a summary of what was removed; the history goes last.

    Only tables that tables.toml declares are touched: a name that merely looks like ours may be another service's.
    Raises LeaseLost, Interrupted, Refused where nothing says which tables there are.
    """
    database = lease.database
    tables = database.declared().tables
    if not tables:
        raise Refused(
            f"the tables of {database.target} are not declared",
            because=f"{database.directory}/tables.toml declares none",
            try_="declare them; seedbed empties no table by its name alone",
        )
    gone = {table.name: _empty(lease, table) for table in tables}
    _forget(lease)
    emptied = [f"{name}: {number(items)}" for name, items in gone.items() if items]
    found = count(sum(gone.values()), "item")
    return (
        f"{found} ({', '.join(emptied)}) and the history" if emptied else "the history; the tables were empty"
    )


def _empty(lease: FencedWriter, table: TableShape) -> int:
    """Delete all items of `table`, page by page; return how many there were. A table that is missing has none."""
    name, count = lease.database.physical(table.name), 0
    try:
        for keys in _batches(_keys(lease, table)):
            # With the lease's token: one that comes late deletes nothing of what a successor wrote.
            lease.commit([{"Delete": {"TableName": name, "Key": key}} for key in keys])
            count += len(keys)
    except ServiceError as error:
        if error.code != NOT_FOUND:
            raise
    return count


def _keys(lease: FencedWriter, table: TableShape) -> Iterator[Item]:
    names = {f"#k{at}": name for at, name in enumerate((*table.key.partition, *table.key.sort))}
    request: dict[str, Any] = {
        "TableName": lease.database.physical(table.name),
        "ConsistentRead": True,
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }
    while True:
        lease.check()
        page = lease.database.client.call("Scan", request)
        yield from page["Items"]
        if not page.get("LastEvaluatedKey"):
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _batches(keys: Iterator[Item]) -> Iterator[Sequence[Item]]:
    while batch := list(islice(keys, SOME)):
        yield batch


def _forget(lease: FencedWriter) -> None:
    """Remove seedbed's own items under the lease, the identity with the last of them."""
    keys = sorted(history.keys(lease.database), key=lambda key: key == history.IDENTITY)
    for first in range(0, len(keys), SOME):
        lease.commit([history.delete(lease.database, key) for key in keys[first : first + SOME]])
