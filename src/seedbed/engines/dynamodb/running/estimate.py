"""What transformations will take, before they start: items, capacity units, time and money.

Sizes come from DescribeTable, which counts about every six hours. What the function does to items is tried on a
sample, in memory: nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from msgspec import Struct, field

from seedbed.engines.dynamodb.database import DynamoDatabase
from seedbed.engines.dynamodb.files.directives import TransformMode
from seedbed.engines.dynamodb.running import prices
from seedbed.engines.dynamodb.running.transform.costs import IN_TRANSACTION, index_units, outcome_units
from seedbed.engines.dynamodb.running.transform.job import least
from seedbed.engines.dynamodb.running.transform.outcome import ItemOutcome, ItemTransformer
from seedbed.engines.dynamodb.running.transform.values import Item
from seedbed.engines.dynamodb.schema.shape import IndexShape, TableShape
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.errors import SeedbedError
from seedbed.model.deployment import Estimate
from seedbed.model.migration import Direction, Migration

_SAMPLED_SEGMENTS = 8  # parts of a table that a sample comes from: the first items alone are often the oldest
_PAGE = 250  # items
_SHOWN = 3  # items that fail
_MB = 1024 * 1024


class TransformSample(Struct):
    """What the function makes of some items of the table: how many of each, and what writing them takes."""

    seen: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    made: int = 0
    done: int = 0  # by their version
    failures: list[str] = field(default_factory=list)
    failing: int = 0
    units: float = 0.0
    indexes: set[str] = field(default_factory=set)


class _Size(Struct, frozen=True):
    """How large a table is, by its description."""

    items: int
    bytes: float

    @property
    def item(self) -> float:
        return self.bytes / self.items if self.items else 0.0


def estimate(database: DynamoDatabase, migrations: Sequence[Migration], *, sample: int) -> Sequence[Estimate]:
    """Return an estimate of each transformation among `migrations`, in their order; others have none.

    `sample`: how many items each is tried on, nothing being written; 0 looks at sizes only. Raises ServiceError.
    """
    walks = [each for each in migrations if each.up and each.up[0].backfill is not None]
    return [_estimate(database, each, sample) for each in walks]


def _estimate(database: DynamoDatabase, migration: Migration, count: int) -> Estimate:
    table = migration.settings["table"]
    try:
        size = _size(database.description(table))
        shape = database.shape(table)
        tried = _tried(database, migration, shape, size, count) if count > 0 else None
    except ServiceError as error:
        if error.code != NOT_FOUND:
            raise
        return Estimate(
            migration.version, {}, (f"{table} is not deployed yet: nothing is known of its items",)
        )
    except SeedbedError as error:
        return Estimate(migration.version, {"failing": 1.0}, (f"it cannot run: {error.what}", error.because))
    return _added_up(database, migration, shape, size, tried)


def _size(described: Mapping[str, Any]) -> _Size:
    return _Size(int(described.get("ItemCount", 0)), float(described.get("TableSizeBytes", 0)))


def _tried(
    database: DynamoDatabase, migration: Migration, shape: TableShape, size: _Size, count: int
) -> TransformSample:
    """Return what the function makes of about `count` items of the table."""
    transformer = ItemTransformer(migration, Direction.UP, migration.up[0], shape)
    sample = TransformSample()
    for item in _items(database, shape.name, count, segments=1 if size.items < count else _SAMPLED_SEGMENTS):
        _try(transformer, shape, item, sample)
    return sample


def _items(database: DynamoDatabase, table: str, count: int, *, segments: int) -> Iterator[Item]:
    """Yield up to `count` items from all over a table."""
    each = ceil(count / segments)
    for segment in range(segments):
        yield from _segment(database, table, min(each, count - segment * each), segment, segments)


def _segment(database: DynamoDatabase, table: str, count: int, segment: int, segments: int) -> Iterator[Item]:
    body: dict[str, Any] = {
        "TableName": database.physical(table),
        "Segment": segment,
        "TotalSegments": segments,
        "ConsistentRead": True,
    }
    while count > 0:
        answer = database.client.call("Scan", {**body, "Limit": min(count, _PAGE)})
        yield from answer["Items"]
        count -= answer["ScannedCount"]
        if not answer.get("LastEvaluatedKey"):
            return
        body["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _try(transformer: ItemTransformer, shape: TableShape, item: Item, sample: TransformSample) -> None:
    sample.seen += 1
    if transformer.versions and not transformer.versions.is_before(item):
        sample.done += 1
        return
    try:
        outcome = transformer(item)
    except SeedbedError as error:
        sample.failing += 1
        if len(sample.failures) < _SHOWN:
            at = f" ({error.at})" if error.at else ""
            sample.failures.append(f"{error.what}{at}")
        return
    _count(outcome, shape, sample)


def _count(outcome: ItemOutcome, shape: TableShape, sample: TransformSample) -> None:
    sample.deleted += outcome.is_deleted
    sample.changed += bool(outcome.sets or outcome.removes)
    sample.unchanged += outcome.is_unchanged
    sample.made += len(outcome.new)
    factor = IN_TRANSACTION if outcome.new else 1
    sample.units += factor * outcome_units(outcome, shape)
    sample.indexes.update(each.name for each in _touched(outcome, shape))


def _touched(outcome: ItemOutcome, shape: TableShape) -> Iterator[IndexShape]:
    for index in (*shape.global_indexes, *shape.local_indexes):
        own = index_units(outcome.before, outcome.after, index, shape)
        if own or any(index_units(None, each, index, shape) for each in outcome.new):
            yield index


def _added_up(
    database: DynamoDatabase,
    migration: Migration,
    shape: TableShape,
    size: _Size,
    sample: TransformSample | None,
) -> Estimate:
    is_paged = migration.settings["mode"] == TransformMode.PAGED
    passes = 1 if is_paged else 2  # the last pass finds nothing
    reads = passes * ceil(size.bytes / 4096)
    writes = _writes(shape, size, sample) * (IN_TRANSACTION if is_paged else 1)
    read_units = least(migration.settings.get("read_units"), database.address.read_units)
    write_units = least(migration.settings.get("write_units"), database.address.write_units)
    seconds = max(reads / read_units if read_units else 0.0, writes / write_units if write_units else 0.0)
    quantities: dict[str, float] = {
        "items": size.items,
        "bytes": size.bytes,
        "read_units": reads,
        "write_units": writes,
        "seconds": seconds,
    }
    lines = [
        f"{shape.name}: about {size.items:,} items, {size.bytes / _MB:,.1f} MB; the count may be six hours old"
    ]
    if sample is not None:
        quantities |= _sampled(sample)
        lines += _sample_lines(sample)
    lines.append(_units_line(shape, sample, passes, reads, writes, is_paged=is_paged))
    if seconds:
        lines.append(f"{_duration(seconds)} at {_budget(read_units, write_units)}")
    if money := prices.price(database.cloud.region):
        quantities["dollars"] = money.dollars(reads, writes)
        lines.append(f"${quantities['dollars']:,.2f} on demand in {database.cloud.region} ({prices.SOURCE})")
    else:
        lines.append(f"no price is known for {database.cloud.region}")
    return Estimate(migration.version, quantities, tuple(lines))


def _writes(shape: TableShape, size: _Size, sample: TransformSample | None) -> float:
    """Return the units of all writes outside of transactions: as in the sample, else as if each item is changed."""
    if sample is not None and sample.seen:
        return ceil(sample.units / sample.seen * size.items)
    each = max(1, ceil(size.item / 1024)) * (1 + len(shape.global_indexes) + len(shape.local_indexes))
    return size.items * each


def _sampled(sample: TransformSample) -> dict[str, float]:
    return {
        "sampled": sample.seen,
        "changed": sample.changed,
        "unchanged": sample.unchanged,
        "deleted": sample.deleted,
        "new": sample.made,
        "failing": sample.failing,
    }


def _sample_lines(sample: TransformSample) -> list[str]:
    counts = [f"{sample.changed:,} changed", f"{sample.unchanged:,} unchanged", f"{sample.deleted:,} deleted"]
    counts.append(f"{sample.made:,} new")
    if sample.done:
        counts.append(f"{sample.done:,} have another version")
    if sample.failing:
        counts.append(f"{sample.failing:,} FAIL")
    return [f"of {sample.seen:,} items tried, nothing written: {', '.join(counts)}", *sample.failures]


def _units_line(
    shape: TableShape,
    sample: TransformSample | None,
    passes: int,
    reads: float,
    writes: float,
    *,
    is_paged: bool,
) -> str:
    names = [each.name for each in (*shape.global_indexes, *shape.local_indexes)]
    if sample is not None and sample.seen:
        touched = [each for each in names if each in sample.indexes]
        indexes = f"touches {', '.join(touched)}" if touched else "touches no index"
    else:
        indexes = "at most, as if every item and all its indexes changed"
    twice = ", in transactions, which count double" if is_paged else ""
    walks = f"{passes} passes" if passes > 1 else "one pass"
    return f"{reads:,.0f} read units in {walks}, {writes:,.0f} write units{twice}; {indexes}"


def _budget(read_units: float, write_units: float) -> str:
    given = [("read", read_units), ("write", write_units)]
    return " and ".join(f"{units:,.0f} {what} units a second" for what, units in given if units)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
