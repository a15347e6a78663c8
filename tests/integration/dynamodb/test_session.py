"""A session on a DynamoDB target: who answers, and what is live of what is declared and needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from seedbed.aws import identity
from seedbed.engines.dynamodb import engine
from seedbed.engines.dynamodb.options import Options
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.session import DynamoSession, connect
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.errors import Busy, Interrupted, Refused, Unavailable, Unreachable
from seedbed.model.environment import Environment
from seedbed.model.event import DeployProgressed
from seedbed.model.history import Owner
from seedbed.model.migration import Phase, Work
from seedbed.model.platform import Database
from seedbed.model.target import Target
from tests.support.dynamodb.tables import COURSES, LESSONS, Stage, indexed, migration, opened, spied, stage

TABLES = """
[tables.courses]
key = { partition = "id" }
attributes = { id = "S", teacher = "S" }

[tables.courses.indexes.by_teacher]
partition = "teacher"

[tables.lessons]
key = { partition = "course", sort = "number" }
attributes = { course = "S", number = "N" }
"""
NEEDS = """\
# seedbed: table=courses needs=courses.by_teacher,lessons
def up(table):
    table.put({"id": "c1"})
"""


@pytest.fixture
def world(ministack_account: World) -> World:
    return ministack_account


def slowed(here: Stage, polls: int, **changes: Any) -> None:
    """Let DescribeTable say `changes` of tables and indexes for the first `polls` times, as AWS does for minutes."""
    left, original = iter(range(polls)), here.client.call

    def call(operation: str, body: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        answer = original(operation, body, **options)
        if operation == "DescribeTable" and next(left, None) is not None:
            table = answer["Table"]
            for each in (table, *table.get("GlobalSecondaryIndexes", ())):
                each.update(
                    {name: value for name, value in changes.items() if name in each or name == "Backfilling"}
                )
        return answer

    here.client.call = call  # type: ignore[method-assign]


def target(here: Stage, **settings: str) -> Target:
    options = Options(lease_seconds=2)
    cloud = here.database.cloud
    given = {"region": cloud.region, "account": cloud.account, "endpoint": cloud.endpoint}
    keys = {"access_key": cloud.access_key, "secret_key": "none-is-needed"}
    address = engine.address({**given, **keys, **settings}, options)
    database = Database(here.database.service, "dynamodb", here.database.directory, options)
    return Target(database, Environment(here.database.environment), "edtech", address)


@contextmanager
def session(here: Stage) -> Iterator[DynamoSession]:
    """Yield a session without asking who we are, which DynamoDB Local does not know."""
    yield DynamoSession(here.database, "edtech")


# who answers


def test_the_server_is_named_and_the_address_says_where_it_is(world: World) -> None:
    with stage(world, COURSES) as here, connect(target(here)) as found:
        assert found.server == "DynamoDB"
        assert world.endpoint in str(target(here).address)


def test_credentials_of_another_account_are_refused_and_nothing_is_asked(world: World) -> None:
    with stage(world, COURSES) as here:
        with pytest.raises(Refused) as caught, connect(target(here, account="111111111111")):
            pass
        assert "111111111111" in str(caught.value)
        assert world.account in str(caught.value)


def test_where_nobody_answers_it_is_unreachable(world: World) -> None:
    identity.forget()
    with opened(world, "nobody") as here:
        nowhere = target(here, endpoint="http://127.0.0.1:9")
    with pytest.raises(Unreachable), connect(nowhere):
        pass


def test_a_whole_run_over_the_engine_object(world: World) -> None:
    with stage(world, COURSES) as here, connect(target(here)) as found:
        text = '# seedbed: table=courses\ndef up(table):\n    table.put({"id": "c1"})\n'
        with found.lease(Owner("1", "ana"), wait=0, listener=here.told.append) as lease:
            list(lease.apply([Work(migration(text))]))
        assert [each.version for each in found.history().applied] == ["1"]
        assert here.item("courses", id="c1")


# what is live


def test_what_a_migration_needs_and_is_missing_is_named(world: World) -> None:
    with stage(world, COURSES) as here, session(here) as found:
        assert found.unmet([migration(NEEDS)]) == {
            "1": "index courses.by_teacher is missing; table lessons is missing"
        }
    with stage(world, indexed(COURSES, "teacher"), LESSONS) as here, session(here) as found:
        assert found.unmet([migration(NEEDS)]) == {}


def test_a_migration_without_the_table_that_it_works_on_is_unmet(world: World) -> None:
    with stage(world, LESSONS) as here, session(here) as found:
        text = "# seedbed: table=courses\ndef up(item):\n    return item\n"
        assert found.unmet([migration(text)]) == {"1": "table courses is missing"}
        assert found.unmet([]) == {}


def test_a_run_is_refused_when_what_it_needs_has_gone_since_the_plan(world: World) -> None:
    with (
        stage(world, COURSES) as here,
        session(here) as found,
        found.lease(Owner("1", "ana"), wait=0, listener=here.told.append) as lease,
    ):
        with pytest.raises(Refused) as caught:
            list(lease.apply([Work(migration(NEEDS))]))
        assert "courses.by_teacher" in caught.value.because
        assert lease.history().revisions == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"IndexStatus": "CREATING"}, "index courses.by_teacher is being built"),
        ({"IndexStatus": "CREATING", "Backfilling": True}, "index courses.by_teacher is being filled"),
        ({"IndexStatus": "DELETING"}, "index courses.by_teacher is being deleted"),
        ({"TableStatus": "CREATING"}, "table courses is being built; table lessons is being built"),
    ],
)
def test_what_is_not_ready_is_named_and_waited_for(
    world: World, changes: Mapping[str, Any], words: str
) -> None:
    with stage(world, indexed(COURSES, "teacher"), LESSONS) as here, session(here) as found:
        slowed(here, 6, **changes)
        assert words in found.unmet([migration(NEEDS)])["1"]
        told = list(found.settle(["courses", "courses.by_teacher"], timeout=60))
        assert [type(each) for each in told] == [DeployProgressed]
        assert "courses" in cast(DeployProgressed, told[0]).what
        assert found.unmet([migration(NEEDS)]) == {}


def test_a_table_that_gets_another_index_can_be_used(world: World) -> None:
    with stage(world, indexed(COURSES, "teacher"), LESSONS) as here, session(here) as found:
        slowed(here, 6, TableStatus="UPDATING")
        assert found.unmet([migration(NEEDS)]) == {}


def test_waiting_for_what_does_not_come_ends(world: World) -> None:
    with stage(world, COURSES) as here, session(here) as found, pytest.raises(Unavailable) as caught:
        list(found.settle(["courses.by_teacher"], timeout=0.5))
    assert "courses.by_teacher is missing" in caught.value.because


def test_waiting_can_be_interrupted(world: World) -> None:
    with (
        stage(world, COURSES) as here,
        opened(world, here.database.service) as other,
        session(other) as found,
    ):
        threading.Timer(0.3, found.interrupt).start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            list(found.settle(["courses.by_teacher"], timeout=60))
        assert time.monotonic() - began < 30


def test_a_history_whose_table_is_on_its_way_is_busy_and_not_missing(world: World) -> None:
    with stage(world, COURSES) as here:

        def not_yet(operation: str, _: object) -> None:
            if operation in {"GetItem", "Query"}:  # what AWS says to whoever asks too early
                raise ServiceError("ResourceNotFoundException", "Requested resource not found")

        slowed(here, 10, TableStatus="CREATING")
        spied(here.client, not_yet)
        with pytest.raises(Busy) as caught, here.lease():
            pass
        assert "CREATING" in caught.value.what


# declared and live


def test_changes_are_what_a_deployment_would_do(world: World, tmp_path: Path) -> None:
    (tmp_path / "tables.toml").write_text(TABLES)
    with stage(world, COURSES, directory=tmp_path) as here, session(here) as found:
        what = [each.what for each in found.changes(Phase.CONTRACT)]
        assert any("by_teacher" in each for each in what)
        assert any("lessons" in each for each in what)
        here.make(LESSONS)
        assert not any("lessons" in each.what for each in found.changes(Phase.CONTRACT))


def test_what_is_live_as_declared_has_no_changes(world: World, tmp_path: Path) -> None:
    (tmp_path / "tables.toml").write_text(TABLES)
    with (
        stage(world, indexed(COURSES, "teacher"), LESSONS, directory=tmp_path) as here,
        session(here) as found,
    ):
        assert list(found.changes(Phase.CONTRACT)) == []


def test_an_estimate_is_made_without_writing(world: World) -> None:
    text = '# seedbed: table=courses\ndef up(item):\n    item["n"] = 1\n    return item\n'
    with stage(world, COURSES) as here, session(here) as found:
        here.put("courses", {"id": "c1"})
        (estimate,) = found.estimate([migration(text)], sample=10)
        assert estimate.version == "1"
        assert estimate.quantities
        assert here.items("courses") == [{"id": "c1"}]
