"""What DynamoDB refuses of a single item: empty keys, long keys, large items. Checked before the first is written.

Source: DynamoDB Developer Guide, "Quotas in Amazon DynamoDB": partition keys of 2048 bytes, sort keys of 1024, items of
400 KB, names of attributes included; the same for the keys of indexes, where the item has them.
"""

from __future__ import annotations

from collections.abc import Mapping

from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.engines.dynamodb.wire.sizes import LARGEST_ITEM, attribute_size, item_size
from seedbed.engines.dynamodb.wire.values import Attribute
from seedbed.support.phrases import number

_LARGEST_PARTITION, _LARGEST_SORT = 2048, 1024  # bytes
_EMPTY = ({"S": ""}, {"B": ""})

Limit = tuple[tuple[str, ...], int, str]  # attributes of a key, the bytes that they may have, whose key it is


def limits_of(table: TableShape) -> tuple[Limit, ...]:
    """Return the limits of all keys that an item of `table` is found by."""
    keys = [(table.key, f"the key of {table.name}")]
    keys += [
        (each.key, f"the key of its index {each.name}")
        for each in (*table.global_indexes, *table.local_indexes)
    ]
    return tuple(
        (names, most, whose)
        for key, whose in keys
        for names, most in ((key.partition, _LARGEST_PARTITION), (key.sort, _LARGEST_SORT))
        if names
    )


def refusal(item: Mapping[str, Attribute], limits: tuple[Limit, ...]) -> tuple[str, str] | None:
    """Return (what, because) for an item that DynamoDB will refuse; None for one that it can take."""
    for names, most, whose in limits:
        for name in names:
            if item.get(name) in _EMPTY:
                return f"{name} is empty", f"it is part of {whose}, and DynamoDB takes no empty key"
        size = sum(attribute_size(item[name]) for name in names if name in item)
        if size > most:
            what = f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} {size} bytes"
            return what, f"it is part of {whose}, which takes {most} there"
    size = item_size(item)
    if size > LARGEST_ITEM:
        because = f"DynamoDB takes {number(LARGEST_ITEM)} (400 KB) at most, names of attributes included"
        return f"the item has {number(size)} bytes", because
    return None
