"""The tables of the sandbox, made from tables.toml without a stack, on both of its servers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seedbed.aws import identity
from seedbed.engines.dynamodb.engine import DynamoEngine
from seedbed.engines.dynamodb.options import Options
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema.shape import Key, TableShape
from seedbed.engines.dynamodb.session import DynamoSession, connect
from seedbed.engines.dynamodb.wire.values import to_item
from seedbed.errors import Refused
from seedbed.model.environment import SANDBOX, Environment
from seedbed.model.event import DeployProgressed, Event
from seedbed.model.history import Owner
from seedbed.model.migration import Phase
from seedbed.model.platform import Database
from seedbed.model.target import Target
from tests.support.dynamodb.tables import EACH_SERVER, creation

PLAIN = """
[tables.courses]
key = {partition = "id", sort = "part"}
attributes = {id = "S", part = "N", teacher = "S", place = "S", length = "N"}
"""
FULL = f"""
{PLAIN.replace("length =", "ends = 'N', length =")}ttl = "ends"
stream = "NEW_IMAGE"

[tables.courses.indexes.by_teacher]
partition = "teacher"
projection = "KEYS_ONLY"

[tables.courses.indexes.by_place]
partition = "place"
projection = ["title"]
"""
LOCAL = """
[tables.courses.local_indexes.by_length]
sort = "length"
"""


class Shop:
    """A service of its own in the sandbox, whose tables.toml changes."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self.directory = directory
        self.service = f"t{uuid.uuid4().hex[:12]}"

    @contextmanager
    def session(self, tables: str, environment: str = SANDBOX) -> Iterator[DynamoSession]:
        (self.directory / "tables.toml").write_text(tables)
        database = Database(self.service, "dynamodb", self.directory, Options(lease_seconds=4))
        address = DynamoEngine.address(self.world.settings(str(database.id)), database.options)
        with connect(Target(database, Environment(environment), "shop", address)) as session:
            yield session

    def deploy(self, tables: str, gate: Phase = Phase.CONTRACT) -> list[str]:
        """Make `tables`, and return what was done; there is nothing left to do then."""
        with self.session(tables) as session:
            session.create_history()
            told: list[Event] = []
            with session.lease(Owner(uuid.uuid4().hex, "ana"), wait=60, listener=told.append) as lease:
                told += lease.deploy_directly(gate)
            assert list(session.changes(gate)) == []
            assert session.is_deployed()
            if gate is Phase.CONTRACT:
                database = session.database
                assert [_plain(each) for each in database.current_tables().tables] == [
                    _plain(each) for each in database.declared().tables
                ]
        return [each.what for each in told if isinstance(each, DeployProgressed) and each.done == each.update]

    def put(self, **values: Any) -> None:
        with self.session(PLAIN) as session:
            body = {"TableName": session.database.physical("courses"), "Item": to_item(values)}
            session.database.client.call("PutItem", body)


def _plain(table: Any) -> Any:
    """Return the part of a table that the server knows."""
    return (table.key, table.key_types, table.global_indexes, table.local_indexes, table.ttl, table.stream)


@pytest.fixture
def shop(world: World, tmp_path: Path) -> Shop:
    identity.forget()
    return Shop(world, tmp_path)


@EACH_SERVER
def test_what_is_declared_is_made_with_indexes_expiry_and_stream(shop: Shop) -> None:
    assert shop.deploy(FULL + LOCAL) == [
        "courses: add the table, with indexes by_place, by_teacher, by_length"
    ]
    assert shop.deploy(FULL + LOCAL) == []


def test_a_file_without_tables_has_a_place_for_the_history(shop: Shop) -> None:
    with shop.session("") as session:
        assert not session.is_deployed()
    assert shop.deploy("") == []


@EACH_SERVER
def test_tables_change_as_updates_of_a_stack_would_change_them(shop: Shop) -> None:
    shop.deploy(PLAIN)
    assert shop.deploy(FULL, Phase.EXPAND) == [
        "courses: let items expire by ends",
        "courses: begin a stream of NEW_IMAGE",
        "courses: add index by_place",
        "courses: add index by_teacher",
    ]
    assert shop.deploy(PLAIN, Phase.EXPAND) == []  # what is removed waits for contract
    assert sorted(shop.deploy(PLAIN)) == [
        "courses: end the stream of NEW_IMAGE",
        "courses: no longer let items expire by ends",
        "courses: remove index by_place",
        "courses: remove index by_teacher",
    ]


@EACH_SERVER
def test_another_key_is_refused_where_items_are_and_makes_an_empty_table_anew(shop: Shop) -> None:
    other = PLAIN.replace(', sort = "part"', "").replace('"id"', '"place"')
    shop.deploy(PLAIN)
    shop.put(id="c1", part=1)
    with pytest.raises(Refused, match="change the key from"):
        shop.deploy(other)
    with shop.session(PLAIN) as session:
        key = to_item({"id": "c1", "part": 1})
        session.database.client.call(
            "DeleteItem", {"TableName": session.database.physical("courses"), "Key": key}
        )
    assert shop.deploy(other) == ["courses: make the table anew, which is empty"]


def test_outside_of_the_sandbox_an_empty_table_is_not_made_anew(shop: Shop) -> None:
    with shop.session(PLAIN.replace(', sort = "part"', ""), environment="staging") as session:
        physical = session.database.physical("courses")
        session.database.client.call(
            "CreateTable", creation(physical, TableShape("courses", Key(("pk",)), {"pk": "S"}))
        )
        [change] = session.changes(Phase.CONTRACT)
        assert "DynamoDB never changes a table's key" in change.refused
