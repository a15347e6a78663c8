"""A runner that vanished, or only slept: nothing of it gets through after another has the lease."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import neo4j
import pytest

from seedbed.engines.neo4j.store.fenced_writer import FencedWriter
from seedbed.engines.neo4j.wire.client import RunQuery
from seedbed.errors import LeaseLost, SeedbedError, StepFailed
from seedbed.model.event import Event, TakenOver
from tests.support.neo4j.graphs import Graph, graph
from tests.support.servers import Settings

WAIT = "CREATE (d:Door) DELETE d"
BLOCKED = "SHOW TRANSACTIONS YIELD status, metaData WHERE status STARTS WITH 'Blocked' AND metaData.seedbed IS NOT NULL"
PATIENCE = 60.0  # seconds


@contextmanager
def closed_door(here: Graph) -> Iterator[None]:
    """Make whatever touches a :Door wait, or its schema."""
    with neo4j.GraphDatabase.driver(here.settings["uri"], auth=None) as driver, driver.session() as session:
        holder = session.begin_transaction(metadata={"outside": "a test"})
        holder.run("CREATE INDEX closed FOR (d:Door) ON (d.closed)").consume()
        yield
        holder.rollback()


def expire(here: Graph) -> None:
    here.do("MATCH (l:migrations_history {key: 'lease'}) SET l.expires = datetime.realtime().epochMillis - 1")


class Worker(threading.Thread):
    """Does something in a thread of its own and keeps the error that ended it."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.error: SeedbedError | None = None
        self.start()

    def run(self) -> None:
        try:
            self._work()
        except SeedbedError as error:
            self.error = error

    def finish(self) -> SeedbedError | None:
        self.join(PATIENCE)
        assert not self.is_alive()
        return self.error


def wait_until_blocked(here: Graph, count: int = 1) -> None:
    until = time.monotonic() + PATIENCE
    while len(here.ask(BLOCKED)) < count:
        assert time.monotonic() < until
        time.sleep(0.02)


def waits(run: RunQuery) -> None:
    run("CREATE (:Made)", None)
    run(WAIT, None)


@pytest.mark.parametrize("what", ["data", "schema", "in transactions"])
def test_what_the_former_owner_has_open_is_ended_before_the_lease_is_ours(
    neo4j_settings: Settings, what: str
) -> None:
    here = graph(neo4j_settings, lease_seconds=60)
    told: list[Event] = []
    batches = f"UNWIND [1] AS n CALL (n) {{ CREATE (:Made) WITH n {WAIT} }} IN TRANSACTIONS OF 1 ROW"
    with closed_door(here), here.lease() as former:
        works = {
            "data": lambda: former.write(waits),
            "schema": lambda: former.alter("CREATE INDEX made FOR (d:Door) ON (d.id)"),
            "in transactions": lambda: former.in_transactions(batches),
        }
        worker = Worker(works[what])
        wait_until_blocked(here)
        expire(here)
        with here.lease(wait=0, told=told):
            assert not here.ask(BLOCKED)
            assert isinstance(worker.finish(), LeaseLost)  # and the door is closed still
    words = [each.work for each in told if isinstance(each, TakenOver)]
    assert len(words) == 2
    assert "no heartbeat" in words[0]
    assert "of test, " in words[1]
    assert not here.ask("MATCH (n:Made) RETURN n")
    assert not here.ask("SHOW INDEXES YIELD name WHERE name = 'made'")


def test_an_idle_transaction_of_a_frozen_runner_holds_nobody_up(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings, lease_seconds=60)

    def sleeps_while_another_works(run: RunQuery) -> None:
        run("MATCH (n:Made) SET n.by = 'former'", None)
        expire(here)
        with here.lease(wait=0) as successor:
            successor.write(lambda its: its("MATCH (n:Made) SET n.by = 'successor'", None))

    here.do("CREATE (:Made)")
    with here.lease() as former, pytest.raises(LeaseLost):
        former.write(sleeps_while_another_works)
    assert here.ask("MATCH (n:Made) RETURN n.by AS by") == [{"by": "successor"}]


@pytest.mark.parametrize("sleeps_after", [1, 2], ids=["before the statement", "before its commit"])
def test_a_schema_statement_whose_runner_slept_after_a_look_takes_no_effect(
    neo4j_settings: Settings, monkeypatch: pytest.MonkeyPatch, sleeps_after: int
) -> None:
    here, looks, look = graph(neo4j_settings, lease_seconds=60), 0, FencedWriter._confirm

    def looks_and_sleeps(lease: FencedWriter) -> None:
        nonlocal looks
        look(lease)
        looks += 1
        if looks == sleeps_after:
            expire(here)
            with here.lease(wait=0):
                pass

    monkeypatch.setattr(FencedWriter, "_confirm", looks_and_sleeps)
    with here.lease() as former, pytest.raises(LeaseLost):
        former.alter("CREATE INDEX made FOR (n:Made) ON (n.id)")
    assert not here.ask("SHOW INDEXES YIELD name WHERE name = 'made'")


def test_transactions_of_others_are_left_alone(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings, lease_seconds=60)
    with neo4j.GraphDatabase.driver(here.settings["uri"], auth=None) as driver, driver.session() as session:
        others = session.begin_transaction(metadata={"application": "tutor-matching"})
        others.run("CREATE (:Theirs)").consume()
        with here.lease():
            expire(here)
            with here.lease(wait=0):
                pass
        others.commit()
    assert len(here.ask("MATCH (n:Theirs) RETURN n")) == 1


def test_what_another_one_has_open_after_an_unlock_by_hand_is_ended_too(neo4j_settings: Settings) -> None:
    """Whoever takes a lease that somebody freed by hand still meets the work of the one who had it."""
    here = graph(neo4j_settings, lease_seconds=60)
    told: list[Event] = []
    with closed_door(here), here.lease() as former:
        worker = Worker(lambda: former.write(waits))
        wait_until_blocked(here)
        here.do("MATCH (l:migrations_history {key: 'lease'}) SET l.token = l.token + 1 REMOVE l.holder")
        with here.lease(wait=0, told=told):
            assert isinstance(worker.finish(), LeaseLost)
    assert [type(each) for each in told] == [TakenOver]
    assert not here.ask("MATCH (n:Made) RETURN n")


def test_a_transaction_takes_no_longer_than_the_manifest_says(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings, transaction_seconds=0.3)
    with closed_door(here), pytest.raises(StepFailed) as caught:
        here.apply(f"// migrate:up\nCREATE (:Made);\n{WAIT};\n")
    assert "terminated" in str(caught.value)
    assert not here.ask("MATCH (n:Made) RETURN n")
