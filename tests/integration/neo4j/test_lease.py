"""The lease on a real server: its clock, its fence, and connections that break."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import neo4j
import pytest

from seedbed.engines.neo4j.store.lease import Neo4jLease
from seedbed.engines.neo4j.wire import queries
from seedbed.engines.neo4j.wire.client import BoltClient, QueryResult, RunQuery, Transaction
from seedbed.engines.neo4j.wire.errors import ConnectionLost, CypherError
from seedbed.errors import Busy, Interrupted, LeaseLost
from seedbed.model.event import Event, LeaseAwaited, Retrying, TakenOver
from tests.support.neo4j.graphs import Graph, graph
from tests.support.servers import Settings

MADE = "MATCH (n:Made) RETURN count(n) AS count"


def expire(here: Graph) -> None:
    """Make the lease run out, by the server's own clock."""
    here.do("MATCH (l:migrations_history {key: 'lease'}) SET l.expires = datetime.realtime().epochMillis - 1")


def makes(run: RunQuery) -> None:
    run("CREATE (:Made)", None)


def made(here: Graph) -> int:
    return int(here.ask(MADE)[0]["count"])


def test_a_long_transaction_does_not_hold_up_the_heartbeat(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings, lease_seconds=2)

    def works_for_long(run: RunQuery) -> None:
        makes(run)
        time.sleep(2.4)

    with here.lease() as lease:
        lease.write(works_for_long)
        with pytest.raises(Busy), here.lease(wait=0):
            pass
    assert made(here) == 1


def test_a_lease_expires_by_the_clock_of_the_server(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings, lease_seconds=60)
    told: list[Event] = []
    with here.lease() as former:
        expire(here)
        with here.lease(wait=0, told=told):
            with pytest.raises(LeaseLost):
                former.write(makes)
            with pytest.raises(LeaseLost):
                former.alter("CREATE INDEX made FOR (n:Made) ON (n.id)")
    assert [type(each) for each in told] == [TakenOver]
    assert made(here) == 0
    assert not here.ask("SHOW INDEXES YIELD name WHERE name = 'made'")


def test_the_token_only_grows_and_stays_where_it_is(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings)
    tokens = []
    for _ in range(3):
        with here.lease() as lease:
            tokens.append(lease.held.token)
    stored = here.ask("MATCH (n:migrations_history) RETURN n.key AS key, n.token AS token ORDER BY key")
    assert tokens == [1, 2, 3]
    assert stored == [{"key": "fence", "token": 3}, {"key": "lease", "token": 3}]


def test_all_of_ours_lies_under_one_label_and_one_constraint(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings)
    here.apply("// migrate:up\nCREATE (:Made);\n")
    labels = here.ask("MATCH (n) WHERE NOT n:Made RETURN DISTINCT labels(n) AS labels")
    assert labels == [{"labels": ["migrations_history"]}]
    assert not here.ask("MATCH (n:migrations_history) WHERE n.key IS NULL RETURN n")
    constraints = here.ask("SHOW CONSTRAINTS YIELD name, type, properties")
    assert [(each["name"], each["properties"]) for each in constraints] == [
        ("migrations_history_key", ["key"])
    ]


@pytest.mark.parametrize("is_done", [True, False])
def test_a_lease_is_taken_once_though_the_answer_is_lost(
    neo4j_settings: Settings, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    here, real, takes = graph(neo4j_settings), BoltClient.run_once, 0

    def answer_is_lost(server: BoltClient, statement: str, *args: Any, **options: Any) -> QueryResult:
        nonlocal takes
        takes += statement == queries.text("take")
        if statement == queries.text("take") and takes == 1:
            if is_done:
                real(server, statement, *args, **options)
            raise ConnectionLost("no data")
        return real(server, statement, *args, **options)

    monkeypatch.setattr(BoltClient, "run_once", answer_is_lost)
    with here.lease(wait=0) as lease:
        assert lease.held.token == 1
        lease.write(makes)
    assert made(here) == 1
    assert takes == (1 if is_done else 2)


def test_whoever_waits_is_told_whom_for(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings)
    told: list[Event] = []
    with here.lease(), pytest.raises(Busy, match="another run holds"), here.lease(wait=2, told=told):
        pass
    assert {each.holder.split(" (since ")[0] for each in told if isinstance(each, LeaseAwaited)} == {"test"}


def test_unlocking_ends_what_the_holder_has_open_and_is_audited(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings)

    def is_unlocked_meanwhile(run: RunQuery) -> None:
        makes(run)
        with here.session() as session:
            assert session.unlock(actor="eve@desk").startswith("test (since ")
        makes(run)

    with here.lease() as lease, pytest.raises(LeaseLost):
        lease.write(is_unlocked_meanwhile)
    assert made(here) == 0
    audit = "MATCH (a:migrations_history) WHERE a.key STARTS WITH 'audit:' RETURN a.actor AS actor, a.action AS action"
    assert here.ask(audit) == [{"actor": "eve@desk", "action": "unlock"}]


# what a server that gives way, and a connection that breaks, do to a transaction


def test_what_gives_way_is_tried_again_and_told(neo4j_settings: Settings) -> None:
    here, tries = graph(neo4j_settings), 0
    told: list[Event] = []

    def gives_way_once(run: RunQuery) -> int:
        nonlocal tries
        tries += 1
        makes(run)
        if tries == 1:
            raise CypherError("Neo.TransientError.Transaction.DeadlockDetected", "a lock", is_transient=True)
        return tries

    with here.lease(told=told) as lease:
        assert lease.write(gives_way_once, version="7") == 2
    assert made(here) == 1
    assert [each.version for each in told if isinstance(each, Retrying)] == ["7"]


def test_what_does_not_pass_is_not_tried_again(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings)

    def fails(run: RunQuery) -> None:
        makes(run)
        run("RETURN 1 / 0", None)

    with here.lease() as lease:
        with pytest.raises(CypherError, match="by zero"):
            lease.write(fails)
        lease.write(makes)
    assert made(here) == 1


def kill_connections(here: Graph) -> None:
    """Kill the connection of every transaction of ours, as an operator does."""
    ours = "SHOW TRANSACTIONS YIELD metaData, connectionId AS id WHERE metaData.seedbed IS NOT NULL RETURN id"
    for each in here.ask(ours):
        here.do(f"CALL dbms.killConnection('{each['id']}')")


def test_a_connection_that_breaks_is_made_again_and_the_work_is_done_once(neo4j_settings: Settings) -> None:
    here, tries = graph(neo4j_settings), 0

    def breaks_once(run: RunQuery) -> None:
        nonlocal tries
        tries += 1
        makes(run)
        if tries == 1:
            kill_connections(here)
            makes(run)

    with here.lease() as lease:
        lease.write(breaks_once)
    assert (made(here), tries) == (1, 2)


def test_a_commit_that_the_server_does_not_confirm_is_none(neo4j_settings: Settings) -> None:
    """The driver takes it for one: on a connection that was killed, the server ignores what comes."""
    here = graph(neo4j_settings)
    with here.session() as session:
        server = session.graph.client
        with server.transaction({"seedbed": "test"}) as transaction:
            makes(transaction.run)
            kill_connections(here)
            time.sleep(0.2)
            with pytest.raises(ConnectionLost) as caught:
                transaction.commit()
    assert caught.value.in_commit
    assert made(here) == 0


LOST = ConnectionLost("no data", in_commit=True)
GAVE_WAY = CypherError("Neo.TransientError.Transaction.LeaderSwitch", "gone over", is_transient=True)
GAVE_WAY.in_commit = True


@pytest.mark.parametrize("answer", [LOST, GAVE_WAY], ids=["lost", "gave way"])
@pytest.mark.parametrize("is_committed", [True, False])
def test_the_end_of_a_commit_whose_answer_says_nothing_is_found_out(
    neo4j_settings: Settings, monkeypatch: pytest.MonkeyPatch, is_committed: bool, answer: Exception
) -> None:
    here, commits, real = graph(neo4j_settings), 0, Transaction.commit

    def answer_is_lost(transaction: Transaction) -> None:
        nonlocal commits
        commits += 1
        if commits > 1 or is_committed:
            real(transaction)
        if commits == 1:
            raise answer

    with here.lease() as lease:
        monkeypatch.setattr(Transaction, "commit", answer_is_lost)
        lease.write(makes)
    assert made(here) == 1
    assert commits == (1 if is_committed else 2)


def test_without_an_answer_the_lease_is_given_up_in_time(
    neo4j_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = graph(neo4j_settings, lease_seconds=2)

    def is_cut_off(*_: Any, **__: Any) -> Any:
        raise ConnectionLost("no route to host")

    with here.lease() as lease:
        server = lease.graph.client
        with monkeypatch.context() as cut:
            for name in ("run_repeatable", "run_once", "transaction"):
                cut.setattr(server, name, is_cut_off)
            with pytest.raises(LeaseLost, match="could not be renewed"):
                lease.write(makes)
    assert made(here) == 0


BEGINNINGS: dict[str, Callable[[Neo4jLease], object]] = {
    "data": lambda lease: lease.write(makes),
    "schema": lambda lease: lease.alter("CREATE INDEX made FOR (n:Made) ON (n.id)"),
    "in transactions": lambda lease: lease.in_transactions(
        "UNWIND [1] AS n CALL (n) { CREATE (:Made) } IN TRANSACTIONS"
    ),
}


@pytest.mark.parametrize("begin", BEGINNINGS.values(), ids=BEGINNINGS)
def test_an_interrupted_run_begins_nothing_more(
    neo4j_settings: Settings, begin: Callable[[Neo4jLease], object]
) -> None:
    here = graph(neo4j_settings)
    with here.lease() as lease:
        lease.graph.client.interrupt()
        with pytest.raises(Interrupted):
            begin(lease)
    assert made(here) == 0
    with here.lease(wait=0):
        pass


def test_what_stays_of_a_lease_is_no_connection(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings)
    before = connections(here)
    with here.lease() as lease:
        assert isinstance(lease, Neo4jLease)
        lease.write(makes)
    for _ in range(100):  # the server lists one that was closed for a moment longer
        if connections(here) <= before:
            break
        time.sleep(0.05)
    assert connections(here) <= before


def connections(here: Graph) -> int:
    with neo4j.GraphDatabase.driver(here.settings["uri"], auth=None) as driver:
        found = driver.execute_query(
            "CALL dbms.listConnections() YIELD userAgent WHERE userAgent = 'seedbed' RETURN 1"
        )
        return len(found.records)
