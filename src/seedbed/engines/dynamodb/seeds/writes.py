"""What makes a table hold an item: a put where there is none, an update of what differs, nothing where it does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.engines.dynamodb.seeds.items import SeedItem
from seedbed.engines.dynamodb.store.history import Action
from seedbed.engines.dynamodb.wire.values import Attribute, Item

_MOST = 90  # items in one transaction
_LARGEST = 3_500_000  # bytes of them as JSON; DynamoDB takes 4 MB


class ItemWrite(Struct, frozen=True):
    """One item on its way into a table."""

    item: SeedItem
    action: Action
    is_new: bool


def write(name: str, table: TableShape, item: SeedItem, stored: Item | None) -> ItemWrite | None:
    """Return what makes the table, called `name`, hold `item`; None where it does already.

    It is on condition that the item is still as it is `stored`.
    """
    if stored is None:
        values = {each: value for each, value in item.values.items() if value is not None}
        condition = {
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": table.key.partition[0]},
        }
        return ItemWrite(
            item, {"Put": {"TableName": name, "Item": {**item.key, **values}, **condition}}, is_new=True
        )
    changed = [each for each, value in item.values.items() if not _is_same(stored.get(each), value)]
    if not changed:
        return None
    return ItemWrite(
        item, {"Update": {"TableName": name, "Key": item.key, **_update(item, stored, changed)}}, is_new=False
    )


def _update(item: SeedItem, stored: Item, changed: Sequence[str]) -> dict[str, Any]:
    """Return the expressions that set what `changed`, where it still is as `stored`."""
    names: dict[str, str] = {}
    values: Item = {}
    sets, removes, conditions = [], [], []
    for at, name in enumerate(changed):
        names[f"#n{at}"] = name
        if (new := item.values[name]) is None:
            removes.append(f"#n{at}")
        else:
            values[f":n{at}"] = new
            sets.append(f"#n{at} = :n{at}")
        if (old := stored.get(name)) is None:
            conditions.append(f"attribute_not_exists(#n{at})")
        else:
            values[f":o{at}"] = old
            conditions.append(f"#n{at} = :o{at}")
    # An update would bring back an item that was deleted in between.
    names["#key"] = next(iter(item.key))
    conditions.append("attribute_exists(#key)")
    parts = [f"SET {', '.join(sets)}"] if sets else []
    parts += [f"REMOVE {', '.join(removes)}"] if removes else []
    return {
        "UpdateExpression": " ".join(parts),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def transactions(writes: Iterable[ItemWrite]) -> Iterator[list[ItemWrite]]:
    """Yield `writes` in as many transactions as DynamoDB requires."""
    batch: list[ItemWrite] = []
    size = 0
    for write in writes:
        length = len(json.dumps(write.action))
        if batch and (len(batch) == _MOST or size + length > _LARGEST):
            yield batch
            batch, size = [], 0
        batch.append(write)
        size += length
    if batch:
        yield batch


def _is_same(stored: Attribute | None, wanted: Attribute | None) -> bool:
    """Return whether two attribute values mean the same: numbers by value, sets in any order."""
    return _comparable(stored) == _comparable(wanted)


def _comparable(value: Attribute | None) -> object:
    if value is None:
        return None
    ((kind, held),) = value.items()
    match kind:
        case "N":
            return kind, Decimal(held)
        case "NS":
            return kind, frozenset(map(Decimal, held))
        case "SS" | "BS":
            return kind, frozenset(held)
        case "L":
            return kind, [_comparable(each) for each in held]
        case "M":
            return kind, {name: _comparable(each) for name, each in held.items()}
    return kind, held
