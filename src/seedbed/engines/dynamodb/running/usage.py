"""When indexes were read, as CloudWatch tells: a period of five minutes that has consumed read units had a reader.

That nothing was read has no value at all, like a metric that is not there, or that may not be seen. So each look reads
the table of the history itself: how far CloudWatch tells of that is how far it can be believed about the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seedbed.aws.metrics import Metric, Told, told
from seedbed.engines.dynamodb.schema.schedule import ChangeKind, schedule
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.errors import Interrupted, SeedbedError
from seedbed.model.migration import Migration, Phase
from seedbed.model.usage import Counter, Removed, Times, Usage

if TYPE_CHECKING:
    from seedbed.engines.dynamodb.database import DynamoDatabase

INDEX, STREAM, ATTRIBUTES = "index", "stream of", "attributes of items of"
_PERIOD = 300  # seconds; CloudWatch keeps these for 63 days
_SPAN = 62 * 24 * 3600.0  # seconds
_MOST = 2000  # periods that a look has of one thing: more of them say no more
_REPLICAS = "the table has replicas in other regions, which count what is read there"
_BLIND = {
    STREAM: "who reads a stream is not counted",
    ATTRIBUTES: "DynamoDB counts reads of tables and indexes, and not which attributes are read",
}


def gone(migration: Migration) -> tuple[Removed, ...]:
    """Return what the functions of `migration` may take out of items; pure."""
    return (Removed(ATTRIBUTES, (migration.settings.get("table", ""),)),)


def deployed_removals(database: DynamoDatabase) -> tuple[Removed, ...]:
    """Return the indexes and streams that tables.toml does not declare any more. Raises ManifestError, ServiceError."""
    found = []
    for each in schedule(database.current_tables(), database.declared(), Phase.CONTRACT).changes:
        if each.kind is ChangeKind.REMOVE_INDEX:
            found.append(Removed(INDEX, (each.table, each.index)))
        elif each.kind is ChangeKind.REMOVE_STREAM:
            found.append(Removed(STREAM, (each.table,)))
    return tuple(found)


def usage(database: DynamoDatabase, removed: Sequence[Removed]) -> Usage:
    """Return a counter for each of `removed`. Raises ServiceError, Interrupted."""
    indexes = [each for each in removed if each.kind == INDEX]
    if not indexes:
        return Usage(tuple(_blind(each) for each in removed))
    tables = {each.path[0]: _described(database, each.path[0]) for each in indexes}
    _read_own(database)
    own = _metric(database.history)
    metrics = [own, *(_metric_of(database, each) for each in indexes)]
    try:
        found = told(database.cloud, metrics, span=_SPAN, period=_PERIOD)
    except Interrupted:
        raise
    except SeedbedError as error:
        said = f"CloudWatch does not tell what is read: {error.what}"
        return Usage(
            tuple(Counter(each, blind=said) if each in indexes else _blind(each) for each in removed)
        )
    return Usage(
        tuple(
            _counter(database, each, tables[each.path[0]], found) if each in indexes else _blind(each)
            for each in removed
        )
    )


def _blind(removed: Removed) -> Counter:
    return Counter(removed, blind=_BLIND.get(removed.kind, "nothing counts who uses that"))


def _counter(database: DynamoDatabase, removed: Removed, table: Mapping[str, Any], found: Told) -> Counter:
    metric, own = _metric_of(database, removed), _metric(database.history)
    uses = found.periods[metric]
    seen = found.periods[own]
    times = Times(
        found.at, found.at - _SPAN, seen[-1] if seen else found.at - _SPAN, uses[-_MOST:], period=_PERIOD
    )
    return Counter(
        removed,
        len(uses),
        since=str(table.get("TableId", "")),
        blind=_why(removed, table) or _unheard(database, found.untold.get(metric, ""), seen),
        times=times,
    )


def _why(removed: Removed, table: Mapping[str, Any]) -> str:
    there = {each["IndexName"] for each in table.get("GlobalSecondaryIndexes", ())}
    if removed.path[-1] not in there:
        return "it is not there"
    return _REPLICAS if table.get("Replicas") else ""


def _unheard(database: DynamoDatabase, untold: str, seen: Sequence[float]) -> str:
    """Return why CloudWatch is not believed about what it does not tell."""
    if untold:
        return f"CloudWatch does not tell all: {untold}"
    if seen:
        return ""
    return (
        f"CloudWatch tells nothing of {database.history} either, which was just read:"
        " ask again in some minutes, and see whose metrics these credentials read"
    )


def _described(database: DynamoDatabase, table: str) -> Mapping[str, Any]:
    try:
        return database.description(table)
    except ServiceError as error:
        if error.code == NOT_FOUND:
            return {}
        raise


def _read_own(database: DynamoDatabase) -> None:
    """Read one item of the history: a read that CloudWatch has to tell of."""
    key = {"pk": {"S": "seedbed"}, "sk": {"S": "looked"}}
    database.client.call("GetItem", {"TableName": database.history, "Key": key})


def _metric_of(database: DynamoDatabase, removed: Removed) -> Metric:
    return _metric(database.physical(removed.path[0]), removed.path[-1])


def _metric(table: str, index: str = "") -> Metric:
    """Return the metric of what is read of a table itself, or of one of its indexes."""
    of_index = (("GlobalSecondaryIndexName", index),) if index else ()
    return Metric("AWS/DynamoDB", "ConsumedReadCapacityUnits", (("TableName", table), *of_index))
