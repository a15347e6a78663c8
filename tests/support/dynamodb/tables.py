"""Throw-away DynamoDB tables on a server of the sandbox, and migrations of the items in them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import pytest

from seedbed.engines.base import Progress
from seedbed.engines.dynamodb.address import Address
from seedbed.engines.dynamodb.database import DynamoDatabase
from seedbed.engines.dynamodb.files.parse import parse
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema.shape import (
    HISTORY,
    HISTORY_TABLE,
    IndexShape,
    Key,
    Projection,
    TableShape,
)
from seedbed.engines.dynamodb.store import lease_store
from seedbed.engines.dynamodb.store.lease import DynamoLease
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.values import from_item, to_item
from seedbed.engines.kit.lease import LeaseRecord
from seedbed.model.event import Event
from seedbed.model.history import Owner
from seedbed.model.migration import Direction, Migration, MigrationFile, Source, Work, checksum

COURSES = TableShape("courses", Key(("id",)), {"id": "S"}, version_attribute="v")
LESSONS = TableShape("lessons", Key(("course",), ("number",)), {"course": "S", "number": "N"})
LEASE_SECONDS = 4.0
MINISTACK = "ministack_account"
# For what the server decides: expressions, transactions, types, pages. What seedbed decides is the same on both, and
# DynamoDB Local takes three times as much of a processor.
EACH_SERVER = pytest.mark.parametrize(
    "world", ["dynamodb_local_account", MINISTACK], ids=["local", "ministack"], indirect=True
)


def indexed(table: TableShape, *attributes: str, projection: Projection | None = None) -> TableShape:
    """Return `table` with a global index on each of `attributes`, all of them texts."""
    from msgspec.structs import replace

    found = tuple(IndexShape(f"by_{each}", Key((each,)), projection or Projection()) for each in attributes)
    types = {**table.key_types, **dict.fromkeys(attributes, "S")}
    return replace(table, global_indexes=found, key_types=types)


def creation(physical: str, shape: TableShape) -> dict[str, Any]:
    """Return the CreateTable request that CDK's template comes to."""

    def schema(key: Key) -> list[dict[str, str]]:
        return [
            *({"AttributeName": each, "KeyType": "HASH"} for each in key.partition),
            *({"AttributeName": each, "KeyType": "RANGE"} for each in key.sort),
        ]

    def index(each: IndexShape) -> dict[str, Any]:
        projection: dict[str, Any] = {"ProjectionType": each.projection.kind}
        if each.projection.attributes:
            projection["NonKeyAttributes"] = list(each.projection.attributes)
        return {"IndexName": each.name, "KeySchema": schema(each.key), "Projection": projection}

    body: dict[str, Any] = {
        "TableName": physical,
        "KeySchema": schema(shape.key),
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind} for name, kind in shape.key_types.items()
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }
    if shape.global_indexes:
        body["GlobalSecondaryIndexes"] = list(map(index, shape.global_indexes))
    if shape.local_indexes:
        body["LocalSecondaryIndexes"] = list(map(index, shape.local_indexes))
    return body


def migration_file(text: str, version: str = "1", name: str = "m") -> MigrationFile:
    data = text.encode()
    return MigrationFile(
        version, name, Source(f"migrations/{version}_{name}.py", ".py", data), checksum(data)
    )


def migration(text: str, version: str = "1", name: str = "m") -> Migration:
    return parse(migration_file(text, version, name))


@dataclass
class Stage:
    """One database `courses/dynamodb` in `dev-test`, with the history's table and any others that are made."""

    database: DynamoDatabase
    shapes: dict[str, TableShape] = field(default_factory=dict)
    told: list[Event] = field(default_factory=list)

    @property
    def client(self) -> Client:
        return self.database.client

    def make(self, *shapes: TableShape) -> None:
        for each in shapes:
            self.client.call("CreateTable", creation(self.database.physical(each.name), each))
            self.shapes[each.name] = each

    def put(self, table: str, *items: Mapping[str, Any]) -> None:
        for each in items:
            self.client.call("PutItem", {"TableName": self.database.physical(table), "Item": to_item(each)})

    def fill(self, table: str, items: Sequence[Mapping[str, Any]]) -> None:
        """Write many items, quickly."""
        name = self.database.physical(table)
        for start in range(0, len(items), 25):
            puts = [{"PutRequest": {"Item": to_item(each)}} for each in items[start : start + 25]]
            self.client.call("BatchWriteItem", {"RequestItems": {name: puts}})

    def items(self, table: str) -> list[dict[str, Any]]:
        """Return all items, in the order of their keys."""
        shape, found = self.shapes[table], []
        body: dict[str, Any] = {"TableName": self.database.physical(table), "ConsistentRead": True}
        while True:
            page = self.client.call("Scan", body)
            found += [from_item(each) for each in page["Items"]]
            if "LastEvaluatedKey" not in page:
                keys = (*shape.key.partition, *shape.key.sort)
                return sorted(found, key=lambda item: [item[name] for name in keys])
            body["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def item(self, table: str, **key: Any) -> dict[str, Any] | None:
        body = {"TableName": self.database.physical(table), "Key": to_item(key), "ConsistentRead": True}
        found = self.client.call("GetItem", body).get("Item")
        return from_item(found) if found else None

    @contextmanager
    def lease(self, who: str = "test", wait: float = 0.0) -> Iterator[DynamoLease]:
        owner = Owner(uuid.uuid4().hex, who)
        listener = self.told.append
        with lease_store.lease(self.database, owner, wait=wait, listener=listener) as (store, held):
            yield DynamoLease(store, held, lambda migrations: {})

    def lease_record(self) -> LeaseRecord:
        """Return the lease as it is stored."""
        return lease_store.DynamoLeaseStore(self.database, self.client).read()

    def age_lease(self) -> None:
        """Let the lease be one that its holder may keep no longer than it takes to see that it is silent."""
        change = {
            "TableName": self.database.physical(HISTORY),
            "Key": to_item({"pk": "lease", "sk": "lease"}),
            "UpdateExpression": "SET seconds = :zero",
            "ExpressionAttributeValues": to_item({":zero": 0}),
        }
        self.client.call("UpdateItem", change)

    def events(
        self, text: str, direction: Direction = Direction.UP, version: str = "1"
    ) -> Iterator[Progress]:
        """Carry out a migration whole, history and all, telling what happens."""
        with self.lease() as lease:
            yield from lease.apply([Work(migration(text, version), direction)])

    def apply(self, text: str, direction: Direction = Direction.UP, version: str = "1") -> list[Progress]:
        return list(self.events(text, direction, version))

    def recorded(self) -> dict[str, str]:
        """Return what the history says of each version."""
        from seedbed.engines.dynamodb.store import history

        return {each.version: each.state.value for each in history.read(self.database).revisions}


@contextmanager
def opened(
    world: World, service: str, *shapes: TableShape, directory: Path | None = None, **limits: float
) -> Iterator[Stage]:
    """Yield a stage on tables that are there; `limits` are those of an `Address`."""
    given: dict[str, Any] = {"lease_seconds": LEASE_SECONDS, **limits}
    with closing(Client(world.cloud)) as client:
        database = DynamoDatabase(
            target="courses/dynamodb",
            address=Address(world.cloud, **given),
            client=client,
            service=service,
            environment="dev-test",
            directory=directory or PurePath("nowhere"),
        )
        database._shapes.update({each.name: each for each in shapes})
        yield Stage(database, {each.name: each for each in shapes})


@contextmanager
def stage(
    world: World, *shapes: TableShape, directory: Path | None = None, **limits: float
) -> Iterator[Stage]:
    """Yield a stage with tables of its own, which are gone afterwards."""
    service = f"t{uuid.uuid4().hex[:12]}"
    with opened(world, service, *shapes, directory=directory, **limits) as made:
        made.make(HISTORY_TABLE, *shapes)
        try:
            yield made
        finally:
            with made.client.sheltered() as client:  # ours may have been interrupted
                for each in dict.fromkeys((*made.shapes, HISTORY)):
                    client.call("DeleteTable", {"TableName": made.database.physical(each)})


Spy = Callable[[str, Mapping[str, Any]], None]


def spied(client: Client, spy: Spy) -> None:
    """Tell `spy` of every call of `client` right before it is sent; what it raises, the caller gets."""
    original = client.call

    def call(operation: str, body: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        spy(operation, body)
        return original(operation, body, **options)

    client.call = call  # type: ignore[method-assign]
