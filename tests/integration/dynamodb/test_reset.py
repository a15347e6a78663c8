"""Emptying a service's tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.store import lease_store
from seedbed.engines.dynamodb.store.history import read as read_history
from seedbed.errors import LeaseLost, Refused
from seedbed.model.history import Identity
from tests.support.dynamodb.tables import COURSES, EACH_SERVER, LESSONS, Stage, stage

TABLES = """
[tables.courses]
key = { partition = "id" }
attributes = { id = "S" }

[tables.lessons]
key = { partition = "course", sort = "number" }
attributes = { course = "S", number = "N" }

[tables.later]
key = { partition = "id" }
attributes = { id = "S" }
"""


@pytest.fixture
def here(world: World, tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "tables.toml").write_text(TABLES)
    with stage(world, COURSES, LESSONS, directory=tmp_path) as made:
        yield made


@EACH_SERVER
def test_every_item_goes_and_the_history_with_them(here: Stage) -> None:
    here.fill("courses", [{"id": f"{number:04}"} for number in range(205)])
    here.fill("lessons", [{"course": "c", "number": number} for number in range(30)])
    with here.lease() as lease:
        lease.bind(Identity("edtech", "courses/dynamodb", "dev-test"))
        for segment in range(120):
            lease.commit([])
            lease.checkpoint("1", segment, "state")
        words = lease.reset()
    assert words == "235 items (courses: 205, lessons: 30) and the history"
    assert here.items("courses") == here.items("lessons") == []
    found = read_history(here.database)
    assert (found.identity, found.revisions) == (None, ())


def test_the_token_of_the_lease_outlives_it(here: Stage) -> None:
    with here.lease() as lease:
        lease.reset()
        token = lease.held.token
    assert here.lease_record().token == token


def test_a_table_that_nobody_declares_is_left_alone(here: Stage, tmp_path: Path) -> None:
    (tmp_path / "tables.toml").write_text(TABLES.partition("[tables.lessons]")[0])
    here.put("lessons", {"course": "somebody else's", "number": 1})
    with here.lease() as lease:
        lease.reset()
    assert len(here.items("lessons")) == 1


def test_where_nothing_is_declared_nothing_is_emptied(here: Stage, tmp_path: Path) -> None:
    (tmp_path / "tables.toml").unlink()
    here.put("courses", {"id": "c1"})
    with here.lease() as lease, pytest.raises(Refused):
        lease.reset()
    assert len(here.items("courses")) == 1


def test_without_the_lease_nothing_goes(here: Stage) -> None:
    here.put("courses", {"id": "c1"})
    with here.lease() as lease:
        lease_store.unlock(here.database, actor="eve")
        with pytest.raises(LeaseLost):
            lease.reset()
    assert len(here.items("courses")) == 1
