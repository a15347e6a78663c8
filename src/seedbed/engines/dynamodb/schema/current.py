"""Tables as the server describes them: their shape, and the state of each of their indexes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.dynamodb.schema import template
from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.errors import Busy


class TableState(Struct, frozen=True):
    """The state of a table or an index: `status` in DynamoDB's words (ACTIVE, CREATING, …).

    `items` and `bytes_` are what DynamoDB counted up to six hours ago.
    """

    status: str
    is_backfilling: bool = False
    items: int = 0
    bytes_: int = 0

    @property
    def is_ready(self) -> bool:
        return self.status == "ACTIVE" and not self.is_backfilling


def described(
    description: Mapping[str, Any], ttl: Mapping[str, Any] | None = None, *, name: str = ""
) -> TableShape:
    """Return the shape of an existing table; called `name`, or by its physical name.

    `description`: the Table of DescribeTable. `ttl`: the TimeToLiveDescription of DescribeTimeToLive; an attribute
    that is being switched off is off already, one that is being switched on is on. An index that is being deleted is
    left out: no query can use it. Raises Busy for a table that does not say its keys, as one that is being deleted.
    """
    staying = [index for index in description.get("GlobalSecondaryIndexes", ()) if _stays(index)]
    called = name or description["TableName"]
    try:
        table = template.described(called, {**description, "GlobalSecondaryIndexes": staying})
    except KeyError as error:
        raise Busy(
            f"the table {called} does not say how it is made",
            because=f"its description has no {error}, and its status {description.get('TableStatus', 'unknown')}",
            try_="run the same command again in a minute",
        ) from None
    setting = ttl or {}
    is_on = setting.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
    return replace(table, ttl=setting.get("AttributeName", "") if is_on else "")


def states(description: Mapping[str, Any]) -> Mapping[str, TableState]:
    """Return the state of each index of an existing table, by name, and of the table itself, by ""."""
    found = {
        "": TableState(
            description.get("TableStatus", ""),
            items=description.get("ItemCount", 0),
            bytes_=description.get("TableSizeBytes", 0),
        )
    }
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        for each in description.get(kind, ()):
            found[each["IndexName"]] = TableState(
                each.get("IndexStatus", "ACTIVE"),  # a local index has none: it is there with its table
                is_backfilling=bool(each.get("Backfilling", False)),
                items=each.get("ItemCount", 0),
                bytes_=each.get("IndexSizeBytes", 0),
            )
    return found


def _stays(index: Mapping[str, Any]) -> bool:
    return bool(index.get("IndexStatus") != "DELETING")
