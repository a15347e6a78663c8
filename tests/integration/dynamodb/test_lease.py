"""The lease on a DynamoDB target: token, heartbeat, and what comes too late."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.schema.shape import HISTORY_TABLE
from seedbed.engines.dynamodb.store import history, lease_store
from seedbed.engines.dynamodb.store.lease import DynamoLease
from seedbed.engines.dynamodb.store.lease_store import DynamoLeaseStore
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.engines.kit.lease import acquire
from seedbed.errors import Busy, Interrupted, LeaseLost, Refused, Unreachable, hint_text
from seedbed.model.event import TakenOver
from seedbed.model.history import Owner, Revision, RevisionState
from seedbed.model.migration import Direction, Phase
from tests.support.dynamodb.tables import COURSES, EACH_SERVER, Stage, opened, spied, stage

SECONDS = 2.0  # that a holder may be silent, where a test waits for it


@pytest.fixture
def here(world: World) -> Iterator[Stage]:
    with stage(world, COURSES) as made:
        yield made


@pytest.fixture
def brief(world: World) -> Iterator[Stage]:
    """A stage whose lease expires soon."""
    with stage(world, COURSES, lease_seconds=SECONDS) as made:
        yield made


def ghost_of(on: Stage) -> DynamoLease:
    """Take the lease as a runner would that stops right after."""
    store, owner = DynamoLeaseStore(on.database, on.client), Owner(uuid4().hex, "ghost")
    held = acquire(store, owner, wait=0.0, listener=on.told.append, sleep=on.client.sleep)
    return DynamoLease(store, held, lambda migrations: {})


def condition(lease: DynamoLease) -> dict[str, Any]:
    """Return what lets a transaction through only while the lease is ours."""
    return lease.store.condition(lease.held)


def put(on: Stage, identity: str, **values: Any) -> dict[str, Any]:
    item = {"id": {"S": identity}, **{name: {"N": str(value)} for name, value in values.items()}}
    return {"Put": {"TableName": on.database.physical("courses"), "Item": item}}


def test_a_service_that_is_not_deployed_has_no_lease_to_take(world: World) -> None:
    with opened(world, "nobody") as nowhere:
        assert history.read(nowhere.database).revisions == ()
        with pytest.raises(Refused) as caught, nowhere.lease():
            pass
    assert hint_text(caught.value.try_, "dev-test", "").startswith("seedbed deploy -e dev-test ")
    assert "nobody-migrations_history-dev-test" in caught.value.because


@EACH_SERVER
def test_the_token_only_ever_grows(here: Stage) -> None:
    tokens = []
    for _ in range(3):
        with here.lease() as lease:
            tokens.append(lease.held.token)
    with here.lease() as lease:
        lease.store.fence_off(lease.held)
        lease.commit([put(here, "after the fence")])
        tokens.append(lease.held.token)
    assert lease_store.unlock(here.database, actor="eve") == ""
    assert tokens == [1, 2, 3, 5]
    assert here.lease_record().token == 5


def test_whoever_holds_it_gives_signs_of_life(brief: Stage) -> None:
    with brief.lease():
        first = brief.lease_record().heartbeat
        time.sleep(1.2 * SECONDS)
        assert brief.lease_record().heartbeat >= first + 3


def test_a_silent_holder_is_succeeded_after_its_own_time_and_not_before(brief: Stage) -> None:
    ghost_of(brief)
    with pytest.raises(Busy), brief.lease(wait=SECONDS / 2):
        pass
    began = time.monotonic()
    with brief.lease(wait=30):
        assert time.monotonic() - began >= SECONDS
    (told,) = [each for each in brief.told if isinstance(each, TakenOver)]
    assert "ghost" in told.work


@EACH_SERVER
def test_what_a_former_holder_sent_is_refused_however_late_it_comes(here: Stage) -> None:
    ghost = ghost_of(here)
    late = {"TransactItems": [put(here, "late"), condition(ghost)], "ClientRequestToken": uuid4().hex}
    here.age_lease()
    with here.lease(wait=30):
        with pytest.raises(ServiceError) as caught:
            here.client.call("TransactWriteItems", late)
        assert caught.value.reasons == ("", "ConditionalCheckFailed")
    with pytest.raises(ServiceError):  # nor after the successor gave it back
        here.client.call("TransactWriteItems", late)
    assert here.items("courses") == []


@EACH_SERVER
def test_a_released_lease_lets_nothing_of_its_holder_through(here: Stage) -> None:
    with here.lease() as lease:
        late = {"TransactItems": [put(here, "late"), condition(lease)]}
    with pytest.raises(ServiceError):
        here.client.call("TransactWriteItems", late)
    assert here.items("courses") == []


def test_a_holder_that_cannot_renew_it_stops_writing_by_its_own_clock(brief: Stage) -> None:
    with brief.lease() as lease:

        def cut(operation: str, _: object) -> None:
            raise Unreachable("the line is cut")

        spied(lease.store.keeper, cut)
        lease.commit([put(brief, "before")])
        time.sleep(1.2 * SECONDS)
        with pytest.raises(LeaseLost) as caught:
            lease.commit([put(brief, "after")])
        with pytest.raises(LeaseLost):
            lease.check()
    assert "could not be renewed" in caught.value.because
    assert [each["id"] for each in brief.items("courses")] == ["before"]


def test_a_transaction_that_hangs_does_not_cost_the_lease(brief: Stage) -> None:
    with brief.lease() as lease:
        with lease.store.lock:  # as whoever sends one holds it
            time.sleep(1.5 * SECONDS)
        lease.commit([put(brief, "there")])


def test_threads_of_one_run_write_under_one_lease(here: Stage) -> None:
    with here.lease() as lease:

        def write(number: int) -> None:
            for each in range(10):
                lease.commit([put(here, f"{number}/{each}")])

        threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert len(here.items("courses")) == 60


def test_an_interrupted_run_gives_its_lease_back(here: Stage, world: World) -> None:
    with opened(world, here.database.service, COURSES) as other, other.lease() as lease:
        other.client.interrupt()
        with pytest.raises(Interrupted):
            lease.commit([put(here, "never")])
    with here.lease():
        assert here.items("courses") == []


def test_a_lost_connection_inside_a_transaction_is_a_lost_lease(here: Stage) -> None:
    with here.lease() as lease:

        def cut(operation: str, _: object) -> None:
            if operation == "TransactWriteItems":
                raise Unreachable("the line is cut")

        spied(here.client, cut)
        with pytest.raises(LeaseLost):
            lease.commit([put(here, "never")])
        with pytest.raises(LeaseLost):
            lease.check()


def test_an_answer_of_the_fence_that_got_lost_is_no_lost_lease(here: Stage) -> None:
    with here.lease() as lease:
        following = {":next": lease.held.token + 1}
        lease.store._change(lease.held, "SET #token = :next", following)  # it was carried out
        lease.store.fence_off(lease.held)  # as the client sends it again
        lease.commit([put(here, "there")])
    assert len(here.items("courses")) == 1


def test_unlocking_ends_a_holder_that_is_alive(here: Stage) -> None:
    with here.lease("ana@laptop") as lease:
        assert "ana@laptop" in lease_store.unlock(here.database, actor="eve")
        with pytest.raises(LeaseLost):
            lease.commit([put(here, "never")])
    with here.lease():
        assert here.items("courses") == []


# checkpoints


def started(lease: DynamoLease, version: str = "1") -> None:
    revision = Revision(version, "m", "0" * 64, Phase.MIGRATE, RevisionState.STARTED)
    lease.commit([history.write(lease.database, revision)])


@EACH_SERVER
def test_a_checkpoint_goes_with_the_page_and_shows_in_the_revision(here: Stage) -> None:
    with here.lease() as lease:
        started(lease)
        for segment, state in ((0, "first"), (1, "other"), (0, "second")):
            lease.checkpoint("1", segment, state, [put(here, f"{segment}{state}")])
        assert lease.checkpoints("1") == {0: "second", 1: "other"}
        assert lease.checkpoints("11") == {}
        (revision,) = lease.history().revisions
    assert revision.checkpoint
    assert not revision.in_step
    assert len(here.items("courses")) == 3


@EACH_SERVER
def test_a_page_that_is_refused_leaves_no_checkpoint_and_says_which_item(here: Stage) -> None:
    refused = put(here, "b")
    refused["Put"]["ConditionExpression"] = "attribute_exists(id)"
    with here.lease() as lease:
        started(lease)
        with pytest.raises(ServiceError) as caught:
            lease.checkpoint("1", 0, "state", [put(here, "a"), refused])
        assert caught.value.reasons == ("", "ConditionalCheckFailed")
        assert lease.checkpoints("1") == {}
        assert lease.history().revisions[0].checkpoint is None
    assert here.items("courses") == []


def test_a_checkpoint_without_the_lease_is_not_written(here: Stage) -> None:
    ghost = ghost_of(here)
    started(ghost)
    here.age_lease()
    with here.lease(wait=30):
        with pytest.raises(LeaseLost):
            ghost.checkpoint("1", 0, "state", [put(here, "a")])
        assert ghost.checkpoints("1") == {}
    assert here.items("courses") == []


def test_a_work_that_begins_has_no_checkpoint_of_the_way_before(here: Stage) -> None:
    up = Revision("1", "m", "0" * 64, Phase.MIGRATE, RevisionState.STARTED)
    with here.lease() as lease:
        lease.begin(up)
        for segment in range(150):
            lease.checkpoint("1", segment, "up")
        lease.record(
            replace(up, state=RevisionState.APPLIED), actor="ana", because="its checkpoints were left"
        )
        lease.begin(replace(up, direction=Direction.DOWN))
        assert lease.checkpoints("1") == {}
        assert lease.history().revisions[0].checkpoint is None
        lease.checkpoint("1", 3, "down")
        assert lease.checkpoints("1") == {3: "down"}
        assert lease.history().revisions[0].checkpoint


@EACH_SERVER
def test_a_full_page_and_its_checkpoint_fit_into_one_transaction(here: Stage) -> None:
    with here.lease() as lease:
        started(lease)
        lease.checkpoint("1", 0, "state", [put(here, f"{number:03}") for number in range(97)])
    assert len(here.items("courses")) == 97


def test_the_history_table_is_the_one_that_cdk_makes() -> None:
    assert HISTORY_TABLE.key.partition == ("pk",)
    assert HISTORY_TABLE.key.sort == ("sk",)
