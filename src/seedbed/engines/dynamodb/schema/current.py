"""Tables as the server describes them: their shape, and how far each of their indexes is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.dynamodb.schema import template
from seedbed.engines.dynamodb.schema.shape import Table


class State(Struct, frozen=True):
    """How a table or an index is: `status` in DynamoDB's word (ACTIVE, CREATING, …).

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
) -> Table:
    """Return the shape of a live table; called `name`, or by its physical name.

    `description`: the Table of DescribeTable. `ttl`: the TimeToLiveDescription of DescribeTimeToLive; an attribute
    that is being switched off is off already, one that is being switched on is on. An index that is being deleted is
    gone already: nobody can use it.
    """
    kept = [each for each in description.get("GlobalSecondaryIndexes", ()) if _stays(each)]
    table = template.described(
        name or description["TableName"], {**description, "GlobalSecondaryIndexes": kept}
    )
    told = ttl or {}
    is_on = told.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
    return replace(table, ttl=told["AttributeName"] if is_on else "")


def states(description: Mapping[str, Any]) -> Mapping[str, State]:
    """Return how each index of a live table is, by name, and how the table itself is, by ""."""
    found = {
        "": State(
            description.get("TableStatus", ""),
            items=description.get("ItemCount", 0),
            bytes_=description.get("TableSizeBytes", 0),
        )
    }
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        for each in description.get(kind, ()):
            found[each["IndexName"]] = State(
                each.get("IndexStatus", "ACTIVE"),  # a local index has none: it is there with its table
                is_backfilling=bool(each.get("Backfilling", False)),
                items=each.get("ItemCount", 0),
                bytes_=each.get("IndexSizeBytes", 0),
            )
    return found


def _stays(index: Mapping[str, Any]) -> bool:
    return bool(index.get("IndexStatus") != "DELETING")
