"""What reads and writes cost in capacity units, the indexes that they touch included.

Source: Amazon DynamoDB Developer Guide, "DynamoDB read and write operations" and "Using Global Secondary Indexes":
a write costs a unit for each begun KB of the larger of old and new item, and again for each index whose entry
comes, goes or changes; moving an entry to another key is a deletion and a put. Transactions count double.
"""

from __future__ import annotations

from math import ceil

from seedbed.engines.dynamodb.running.transform.outcome import ItemOutcome
from seedbed.engines.dynamodb.running.transform.values import Item, same_item
from seedbed.engines.dynamodb.schema.shape import IndexShape, TableShape
from seedbed.engines.dynamodb.wire.sizes import item_size

_READ, _WRITE = 4096, 1024  # bytes in a unit
IN_TRANSACTION = 2  # times the units


def read_units(size: float) -> float:
    """Return the units of a strongly consistent read of `size` bytes."""
    return max(1.0, ceil(size / _READ))


def outcome_units(outcome: ItemOutcome, shape: TableShape) -> float:
    """Return the units that writing `outcome` takes outside of a transaction; 0 where nothing changes."""
    units = 0.0
    if outcome.sets or outcome.removes or outcome.is_deleted:
        units += write_units(outcome.before, outcome.after, shape)
    return units + sum(write_units(None, each, shape) for each in outcome.new)


def write_units(before: Item | None, after: Item | None, shape: TableShape) -> float:
    """Return the units of a write that makes `after` of `before`; None where there is no item."""
    units = _units(max(_size(before), _size(after)))
    return units + sum(
        index_units(before, after, each, shape) for each in (*shape.global_indexes, *shape.local_indexes)
    )


def index_units(before: Item | None, after: Item | None, index: IndexShape, shape: TableShape) -> float:
    """Return the units that one index takes of a write."""
    old, new = _entry(before, index, shape), _entry(after, index, shape)
    if old is None or new is None:
        return _units(_size(old or new)) if old or new else 0.0
    keys = (*index.key.partition, *index.key.sort)
    if not same_item({name: old[name] for name in keys}, {name: new[name] for name in keys}):
        return _units(_size(old)) + _units(_size(new))
    return 0.0 if same_item(old, new) else _units(max(_size(old), _size(new)))


def _entry(item: Item | None, index: IndexShape, shape: TableShape) -> Item | None:
    """Return what an index holds of `item`; None where it has no entry."""
    keys = (*index.key.partition, *index.key.sort)
    if item is None or not all(name in item for name in keys):
        return None
    if index.projection.kind == "ALL":
        return item
    kept = {*keys, *shape.key.partition, *shape.key.sort, *index.projection.attributes}
    return {name: value for name, value in item.items() if name in kept}


def _size(item: Item | None) -> int:
    return item_size(item) if item else 0


def _units(size: int) -> float:
    return max(1.0, ceil(size / _WRITE))
