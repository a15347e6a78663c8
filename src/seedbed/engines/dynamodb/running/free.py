"""Free form: `up(table)` and `down(table)`, and the table that they are handed.

Reads go out at once. Writes of an atomic step are collected, and committed with its record in one transaction;
those of a step with `transaction=false` go out one by one, each with the lease's token beside it, so that none
arrives after another run took over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from seedbed.engines.dynamodb.database import not_deployed
from seedbed.engines.dynamodb.store.fenced_writer import ROOM, FencedWriter
from seedbed.engines.dynamodb.store.history import Action
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.engines.dynamodb.wire.values import from_item, to_item
from seedbed.engines.kit.python_program import calling_line, compiled, failure
from seedbed.errors import (
    Interrupted,
    LeaseLost,
    Location,
    OutcomeUnknown,
    Refused,
    SeedbedError,
    StepFailed,
    Unavailable,
)
from seedbed.model.migration import Direction, Migration, Step

Names = Mapping[str, str]
Values = Mapping[str, Any]
_NONE: Mapping[str, Any] = {}


class ConditionFailed(StepFailed):
    """The condition of a write did not hold; nothing was written."""


class TableWrite(Struct, frozen=True):
    """One action on one item, and where in the migration it was asked for."""

    action: Action
    table: str
    key: str  # as JSON
    verb: str  # "put into lessons"
    line: int


class TableWriter(Protocol):
    """Where a migration's writes go."""

    def write(self, write: TableWrite) -> None: ...


class CollectedWrites:
    """Writes that go out together, later."""

    def __init__(self) -> None:
        self.writes: list[TableWrite] = []

    def write(self, write: TableWrite) -> None:
        if any((each.table, each.key) == (write.table, write.key) for each in self.writes):
            raise StepFailed(
                f"this step writes twice to the item {write.key} of {write.table}",
                because="its writes go out in one transaction, and DynamoDB takes every item in it once",
                try_="make one write of the two, or let the migration say transaction=false",
            )
        if len(self.writes) >= ROOM:
            raise StepFailed(
                f"this step writes to more than {ROOM} items",
                because=f"its writes go out in one transaction, and DynamoDB takes {ROOM} beside those of seedbed",
                try_="let the migration say transaction=false, or walk over the items with up(item)",
            )
        self.writes.append(write)


class DirectWrites:
    """Writes that go out one by one; `count`: how many were sent."""

    def __init__(self, lease: FencedWriter) -> None:
        self._lease = lease
        self.count = 0

    def write(self, write: TableWrite) -> None:
        self._lease.check()
        self.count += 1
        try:
            self._lease.commit([write.action])
        except ServiceError as error:
            self.count -= 1
            kind = ConditionFailed if error.is_condition else StepFailed
            if error.code == NOT_FOUND:
                raise _missing(self._lease, write) or error from None
            if error.is_throttle:
                raise
            raise kind(f"DynamoDB refused to {write.verb}", because=reason(error, 0)) from None


class NoWrites:
    """Refuses every write: for code that only looks."""

    def write(self, write: TableWrite) -> None:
        raise StepFailed(
            f"this function may not {write.verb}",
            because="it is asked whether the migration took effect, and may only read",
        )


class TableHandle:
    """A table as a migration sees it: items are dicts of Python values, conditions are DynamoDB's own expressions.

    `values` are named as in the expression (`{":one": 1}`), as are `names` (`{"#n": "name"}`).
    """

    ConditionFailed = ConditionFailed

    def __init__(self, lease: FencedWriter, writer: TableWriter, name: str, path: str) -> None:
        self.name = name
        self._lease = lease
        self._writer = writer
        self._path = path
        self._physical = lease.database.physical(name)

    def __repr__(self) -> str:
        return f"<table {self.name}>"

    def sibling(self, name: str) -> TableHandle:
        """Return another table of the same service."""
        return TableHandle(self._lease, self._writer, name, self._path)

    @property
    def is_there(self) -> bool:
        """Whether the table exists: a copy that was restored beside the others does so in one environment alone."""
        try:
            self._lease.database.description(self.name)
        except ServiceError as error:
            if error.code == NOT_FOUND:
                return False
            raise
        return True

    # reading

    def get(self, key: Values) -> dict[str, Any] | None:
        """Return the item with `key` as it is now; None where there is none."""
        request = {"Key": to_item(dict(key)), "ConsistentRead": True}
        item = self._call("GetItem", request).get("Item")
        return from_item(item) if item else None

    def query(
        self,
        condition: str,
        values: Values,
        *,
        names: Names = _NONE,
        index: str = "",
        where: str = "",
        forward: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Yield the items whose key fulfils `condition`, in the order of the sort key; `where` filters them."""
        request = {"KeyConditionExpression": condition, "ScanIndexForward": forward}
        return self._pages("Query", request, values, names, index, where)

    def scan(
        self, *, where: str = "", values: Values = _NONE, names: Names = _NONE, index: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Yield all items, in no order; `where` filters them."""
        return self._pages("Scan", {}, values, names, index, where)

    # writing

    def put(self, item: Values, *, condition: str = "", values: Values = _NONE, names: Names = _NONE) -> None:
        """Write a whole item, in place of one with the same key."""
        action = {"Item": to_item(dict(item)), **_expressions(condition, values, names)}
        self._write("Put", action, {name: item.get(name) for name in self._key_names()}, "put into")

    def update(
        self,
        key: Values,
        change: str,
        *,
        values: Values = _NONE,
        names: Names = _NONE,
        condition: str = "",
    ) -> None:
        """Change an item by an update expression (`SET title = :title REMOVE subtitle`); made if it is missing."""
        action = {
            "Key": to_item(dict(key)),
            "UpdateExpression": change,
            **_expressions(condition, values, names),
        }
        self._write("Update", action, key, "update in")

    def delete(
        self, key: Values, *, condition: str = "", values: Values = _NONE, names: Names = _NONE
    ) -> None:
        """Remove the item with `key`, if it is there."""
        action = {"Key": to_item(dict(key)), **_expressions(condition, values, names)}
        self._write("Delete", action, key, "delete from")

    # how

    def _key_names(self) -> list[str]:
        key = self._asked(lambda: self._lease.database.shape(self.name)).key
        return [*key.partition, *key.sort]

    def _write(self, kind: str, action: dict[str, Any], key: Values, verb: str) -> None:
        named = json.dumps(to_item(dict(key)), sort_keys=True)
        line = calling_line(self._path)
        whole = {kind: {"TableName": self._physical, **action}}
        self._writer.write(TableWrite(whole, self.name, named, f"{verb} {self.name}", line))

    def _pages(
        self,
        operation: str,
        request: dict[str, Any],
        values: Values,
        names: Names,
        index: str,
        where: str,
    ) -> Iterator[dict[str, Any]]:
        request |= _expressions("", values, names)
        request |= {"IndexName": index} if index else {}
        request |= {"FilterExpression": where} if where else {}
        # Only a global index cannot be read consistently, and which one it is only the shape knows.
        request["ConsistentRead"] = not self._is_global(index)
        while True:
            page = self._call(operation, request)
            yield from map(from_item, page.get("Items", []))
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _is_global(self, index: str) -> bool:
        if not index:
            return False
        shape = self._asked(lambda: self._lease.database.shape(self.name))
        return all(each.name != index for each in shape.local_indexes)

    def _call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self._lease.check()
        body = {"TableName": self._physical, **request}
        answer: dict[str, Any] = self._asked(lambda: self._lease.database.client.call(operation, body))
        return answer

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except ServiceError as error:
            if error.code == NOT_FOUND:
                raise not_deployed(self._lease.database, self.name) from None
            raise


def _expressions(condition: str, values: Values, names: Names) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if condition:
        found["ConditionExpression"] = condition
    if values:
        found["ExpressionAttributeValues"] = to_item(dict(values))
    if names:
        found["ExpressionAttributeNames"] = dict(names)
    return found


def reason(error: ServiceError, number: int) -> str:
    """Return why action `number` of a transaction was refused."""
    code = error.reasons[number] if number < len(error.reasons) else ""
    if code == "ConditionalCheckFailed":
        return "its condition does not hold"
    return f"{code}: {error.message}" if code else f"{error.code}: {error.message}"


# Running


def run(
    lease: FencedWriter, migration: Migration, direction: Direction, step: Step, writer: TableWriter
) -> None:
    """Call the migration's function of this direction; its writes go to `writer`.

    Raises StepFailed naming the line of the migration, LeaseLost, Interrupted, Refused, Unavailable.
    """
    _call(lease, migration, step, direction.value, writer)


def took_effect(lease: FencedWriter, migration: Migration, direction: Direction, step: Step) -> bool | None:
    """Return whether a step in this direction took effect, as the migration's `applied` says; None without one."""
    found = _call(lease, migration, step, "applied", NoWrites())
    return None if found is None else bool(found) is (direction is Direction.UP)


def can_tell(migration: Migration, step: Step) -> bool:
    """Return whether the migration has a function that says whether a step took effect."""
    return compiled(step.body, migration.path).function("applied") is not None


def _call(lease: FencedWriter, migration: Migration, step: Step, name: str, writer: TableWriter) -> object:
    """Return what the function `name` of the migration returns; None where there is no such function."""
    function = compiled(step.body, migration.path).function(name)
    if function is None:
        return None
    handle = TableHandle(lease, writer, migration.settings["table"], migration.path)
    try:
        # Its truth may be asked of an object of the migration's own: inside, so that what it raises is named.
        return bool(function(handle)) if name == "applied" else function(handle)
    except (LeaseLost, Interrupted, OutcomeUnknown, Refused, Unavailable, KeyboardInterrupt):
        raise
    except BaseException as error:  # also SystemExit, and whatever else is no Exception
        raise _named(migration, lease, failure(error, migration.path)) from error


def _named(migration: Migration, lease: FencedWriter, error: StepFailed) -> StepFailed:
    return StepFailed(
        f"{migration.label} failed on {lease.database.target}: {error.what}",
        because=error.because,
        try_=error.try_ or "fix the migration and run the same command again",
        at=error.at,
    )


def refused(
    migration: Migration, lease: FencedWriter, writes: Sequence[TableWrite], error: ServiceError
) -> SeedbedError:
    """Return what a person reads when the transaction of the collected `writes` was refused."""
    if error.code == NOT_FOUND:
        return next(filter(None, (_missing(lease, each) for each in writes)), not_deployed(lease.database))
    number = next((at for at, code in enumerate(error.reasons) if code), None)
    if number is None or number >= len(writes) or error.is_throttle:
        found = StepFailed(error.what, because=error.because, try_=error.try_, at=Location(migration.path))
        return _named(migration, lease, found)
    write = writes[number]
    found = StepFailed(
        f"DynamoDB refused to {write.verb}",
        because=reason(error, number),
        try_="fix the migration and run the same command again; nothing of this step stayed",
        at=Location(migration.path, write.line),
    )
    return _named(migration, lease, found)


def _missing(lease: FencedWriter, write: TableWrite) -> SeedbedError | None:
    """Return that the table of `write` is missing, if it is."""
    try:
        lease.database.description(write.table)
    except ServiceError as error:
        return not_deployed(lease.database, write.table) if error.code == NOT_FOUND else None
    return None
