"""Tables made and changed by DynamoDB's own calls, as tables.toml declares them: for the sandbox.

The changes, and their order, are those that a deployment makes by updates of a stack. There is one more: a table that
cannot become what is declared, and holds no item, is made anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.base import Progress
from seedbed.engines.dynamodb.database import DynamoDatabase
from seedbed.engines.dynamodb.rules.refusals import refusals
from seedbed.engines.dynamodb.schema import template
from seedbed.engines.dynamodb.schema.changes import described
from seedbed.engines.dynamodb.schema.current import states
from seedbed.engines.dynamodb.schema.schedule import ChangeKind, ScheduledChange, UpdateSchedule, schedule
from seedbed.engines.dynamodb.schema.shape import HISTORY_TABLE, TableShape, TableShapes
from seedbed.engines.dynamodb.store.fenced_writer import FencedWriter
from seedbed.engines.dynamodb.wire.errors import IN_USE, NOT_FOUND, ServiceError
from seedbed.errors import Refused, Unavailable
from seedbed.model.deployment import Change
from seedbed.model.event import DeployFinished, DeployProgressed, DeployStarted
from seedbed.model.migration import Phase

WHAT = "tables"  # in place of a stack's name
_PATIENCE = 60.0  # seconds until a server of the sandbox has made a change
_POLL = 0.02  # seconds


class DirectSchedule(Struct, frozen=True):
    """The changes from the `current` tables to the `declared` ones; `replaced`: empty tables that are made anew."""

    current: TableShapes
    declared: TableShapes
    replaced: frozenset[str]
    plan: UpdateSchedule

    @property
    def messages(self) -> tuple[Change, ...]:
        """What happens, in words, what is refused first."""
        return (*self.plan.refused, *map(self.message, self.plan.changes))

    def message(self, change: ScheduledChange) -> Change:
        found = described(change, self.current, self.declared)
        if change.kind is ChangeKind.ADD_TABLE and change.table in self.replaced:
            return replace(found, what=f"{change.table}: make the table anew, which is empty")
        return found


def scheduled(database: DynamoDatabase, current: TableShapes, gate: Phase) -> DirectSchedule:
    """Return what leads through `gate` to what is declared. Raises ServiceError."""
    declared = database.declared()
    replaced = frozenset(
        new.name
        for new in declared.tables
        if (old := current.table(new.name)) and any(refusals(old, new)) and _is_empty(database, new.name)
    )
    staying = TableShapes(tuple(each for each in current.tables if each.name not in replaced))
    return DirectSchedule(staying, declared, replaced, schedule(staying, declared, gate))


def create_history(database: DynamoDatabase) -> None:
    """Create the table of the history unless it is there, and wait for it. Raises ServiceError, Unavailable."""
    name = HISTORY_TABLE.name
    try:
        database.description(name)
    except ServiceError as error:
        if error.code != NOT_FOUND:
            raise
        try:
            _create(database, HISTORY_TABLE)
        except ServiceError as rival:  # another run creates it at this moment
            if rival.code != IN_USE:
                raise
    _wait(database, name, _is_ready(database, name))


def create(database: DynamoDatabase, table: TableShape) -> None:
    """Create `table`, wait for it, and let its items expire where it says so. Raises ServiceError, Unavailable."""
    _create(database, table)
    _wait(database, table.name, _is_ready(database, table.name))
    if table.ttl:
        _expire(database, table.name, table.ttl, is_on=True)


def deploy(lease: FencedWriter, gate: Phase) -> Iterator[Progress]:
    """Make the tables what is declared, through `gate`, one change after the other; tells nothing where none is due.

    Raises Refused for what can never be changed, before anything is; LeaseLost, Interrupted, ServiceError.
    """
    database, began = lease.database, time.monotonic()
    found = scheduled(database, database.current_tables(), gate)
    if found.plan.refused:
        first = found.plan.refused[0]
        raise Refused(f"the tables cannot change so: {first.what}", because=first.refused, try_=first.try_)
    changes = found.plan.changes
    if not changes:
        return
    words = [found.message(each).what for each in changes]
    total = len(changes)
    yield DeployStarted(database.target, WHAT, total, tuple(words))
    for number, (change, what) in enumerate(zip(changes, words, strict=True), 1):
        lease.check()
        yield DeployProgressed(database.target, WHAT, number, what, number - 1, total, "updates")
        _make(database, change, found)
        yield DeployProgressed(database.target, WHAT, number, what, number, total, "updates")
    yield DeployFinished(database.target, WHAT, total, time.monotonic() - began)


def _make(database: DynamoDatabase, change: ScheduledChange, found: DirectSchedule) -> None:
    """Make one change, and wait until it is ready."""
    name = change.table
    old, new = found.current.table(name), found.declared.table(name)
    assert new is not None
    match change.kind:
        case ChangeKind.ADD_TABLE:
            if name in found.replaced:
                database.client.call("DeleteTable", {"TableName": database.physical(name)})
                _wait(database, name, lambda: not _exists(database, name))
            create(database, new)
        case ChangeKind.ADD_INDEX:
            index = next(each for each in new.global_indexes if each.name == change.index)
            update = {"Create": template.index_properties(index)}
            _update(database, new, GlobalSecondaryIndexUpdates=[update], **_definitions(new))
        case ChangeKind.REMOVE_INDEX:
            update = {"Delete": {"IndexName": change.index}}
            _update(database, new, GlobalSecondaryIndexUpdates=[update])
        case ChangeKind.ADD_STREAM | ChangeKind.REMOVE_STREAM:
            _update(database, new, StreamSpecification=_stream(new))
        case ChangeKind.ADD_TTL:
            _expire(database, name, new.ttl, is_on=True)
        case ChangeKind.REMOVE_TTL:
            _expire(database, name, old.ttl if old else "", is_on=False)
        case ChangeKind.REMOVE_TABLE:
            raise AssertionError("what is not declared is not looked at")
    _wait(database, name, _is_ready(database, name))


def _create(database: DynamoDatabase, table: TableShape) -> None:
    body = {"TableName": database.physical(table.name), **template.properties(table)}
    body.pop("TimeToLiveSpecification", None)  # a call of its own
    if table.stream:
        body["StreamSpecification"] = _stream(table)
    database.client.call("CreateTable", body, idempotent=False)


def _update(database: DynamoDatabase, table: TableShape, **what: Any) -> None:
    body = {"TableName": database.physical(table.name), **what}
    database.client.call("UpdateTable", body, idempotent=False)


def _definitions(table: TableShape) -> Mapping[str, Any]:
    return {"AttributeDefinitions": template.properties(table)["AttributeDefinitions"]}


def _stream(table: TableShape) -> Mapping[str, Any]:
    if not table.stream:
        return {"StreamEnabled": False}
    return {"StreamEnabled": True, "StreamViewType": table.stream}


def _expire(database: DynamoDatabase, table: str, attribute: str, *, is_on: bool) -> None:
    specification = {"Enabled": is_on, "AttributeName": attribute}
    body = {"TableName": database.physical(table), "TimeToLiveSpecification": specification}
    database.client.call("UpdateTimeToLive", body)


def _is_empty(database: DynamoDatabase, table: str) -> bool:
    request = {"TableName": database.physical(table), "Limit": 1, "ConsistentRead": True, "Select": "COUNT"}
    return not database.client.call("Scan", request).get("Count")


def _exists(database: DynamoDatabase, table: str) -> bool:
    try:
        database.description(table)
    except ServiceError as error:
        if error.code == NOT_FOUND:
            return False
        raise
    return True


def _is_ready(database: DynamoDatabase, table: str) -> Callable[[], bool]:
    return lambda: all(each.is_ready for each in states(database.description(table)).values())


def _wait(database: DynamoDatabase, table: str, is_done: Callable[[], bool]) -> None:
    """Return once `is_done`. Raises Unavailable, Interrupted."""
    end = time.monotonic() + _PATIENCE
    while not is_done():
        if time.monotonic() >= end:
            raise Unavailable(
                f"the table {database.physical(table)} is not ready after {_PATIENCE:.0f} s",
                because="the sandbox's server is still changing it",
                try_="run the same command again: it goes on from what is there",
            )
        database.client.sleep(_POLL)
