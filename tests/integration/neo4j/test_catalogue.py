"""What a real server says about its constraints and indexes, and that it is enough to make each of them again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from seedbed.engines.neo4j.address import address
from seedbed.engines.neo4j.files.commands import parse_command
from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.running.index_progress import wait_online
from seedbed.engines.neo4j.schema.catalogue import Catalogue, read_catalogue
from seedbed.engines.neo4j.schema.probe import took_effect
from seedbed.engines.neo4j.schema.reverse import reverse_of
from seedbed.engines.neo4j.wire.client import BoltClient
from seedbed.errors import Refused
from seedbed.model.migration import Direction
from tests.support.neo4j.graphs import Graph, graph
from tests.support.servers import Settings

MADE = [
    "CREATE CONSTRAINT node_key FOR (n:Person) REQUIRE n.id IS UNIQUE",
    "CREATE CONSTRAINT `two words` FOR (n:`A b``c`) REQUIRE (n.`p;q`, n.é) IS UNIQUE",
    "CREATE CONSTRAINT rel_key FOR ()-[r:KNOWS]-() REQUIRE (r.since, r.how) IS RELATIONSHIP UNIQUE",
    "CREATE INDEX one FOR (n:Person) ON (n.name)",
    "CREATE INDEX two FOR (n:Person) ON (n.name, n.age)",
    "CREATE INDEX rel FOR ()-[r:KNOWS]-() ON (r.since)",
    "CREATE TEXT INDEX text FOR (n:Person) ON n.name",
    "CREATE POINT INDEX point FOR (n:GraphTarget) ON (n.at) OPTIONS {indexConfig: {`spatial.cartesian.min`: [-9.5, 0.0]}}",
    "CREATE FULLTEXT INDEX full FOR (n:Person|GraphTarget) ON EACH [n.name, n.note]"
    " OPTIONS {indexConfig: {`fulltext.analyzer`: 'english', `fulltext.eventually_consistent`: true}}",
    "CREATE FULLTEXT INDEX full_rel FOR ()-[r:LIKES|KNOWS]-() ON EACH [r.note]",
    "CREATE VECTOR INDEX vector FOR (n:Person) ON n.face"
    " OPTIONS {indexConfig: {`vector.dimensions`: 3, `vector.similarity_function`: 'euclidean'}}",
    "CYPHER 25 CREATE VECTOR INDEX filtered FOR (n:GraphTarget) ON n.look WITH [n.name]"
    " OPTIONS {indexConfig: {`vector.dimensions`: 3}}",
]


NOTHING = [
    "CREATE INDEX one IF NOT EXISTS FOR (n:Person) ON (n.name)",
    "CREATE INDEX one IF NOT EXISTS FOR (n:Other) ON (n.other)",
    "CREATE INDEX other IF NOT EXISTS FOR (n:Person) ON (n.name)",
    "CREATE INDEX node_key IF NOT EXISTS FOR (n:Other) ON (n.other)",
    "CREATE INDEX other IF NOT EXISTS FOR (n:Person) ON (n.id)",
    "CREATE CONSTRAINT other IF NOT EXISTS FOR (n:Person) REQUIRE n.id IS UNIQUE",
    "CREATE CONSTRAINT node_key IF NOT EXISTS FOR (n:Other) REQUIRE n.other IS UNIQUE",
    "DROP INDEX nobody IF EXISTS",
    "DROP CONSTRAINT one IF EXISTS",
]


@pytest.fixture
def server(neo4j_settings: Settings) -> Iterator[BoltClient]:
    made = BoltClient(address(neo4j_settings, None))
    made.open()
    yield made
    made.close()


@pytest.fixture
def here(neo4j_settings: Settings) -> Graph:
    return graph(neo4j_settings)


def schema(here: Graph) -> list[str]:
    with here.session() as session:
        return list(session.schema())


def do(server: BoltClient, statement: str) -> Catalogue:
    """Carry out a schema statement, wait until what it made is online, and return what there is then."""
    server.run_once(statement)
    if not statement.startswith(("DROP", "CALL")):
        for _ in wait_online(server.read, parse_command(statement), sleep=time.sleep, undo=lambda: None):
            pass
    return read_catalogue(server.read)


def test_whatever_is_dropped_can_be_made_again_the_same_and_whatever_is_made_be_dropped(
    server: BoltClient,
) -> None:
    there = [read_catalogue(server.read)]
    undo_of_drops = []
    for statement in MADE:
        before, create = there[-1], parse_command(statement)
        assert not took_effect(create, before)
        after = do(server, statement)
        assert took_effect(create, after)
        assert len(set(after.lines()) - set(before.lines())) == 1
        undo_of_drops.append(reverse_of(parse_command(f"DROP {create.noun} {quoted(create.name)}"), after))
        there.append(after)
    assert len(there[-1].lines()) == len(there[0].lines()) + len(MADE)
    assert all("\n" not in line for line in there[-1].lines())

    for statement, before in reversed(list(zip(MADE, there, strict=False))):
        create = parse_command(statement)
        undone = do(server, reverse_of(create, before))
        drop = parse_command(f"DROP {create.noun} {quoted(create.name)}")
        assert (undone.lines(), took_effect(drop, undone)) == (before.lines(), True)

    for statement in undo_of_drops:
        server.run_once(statement)
    assert do(server, "CALL db.awaitIndexes(60)").lines() == there[-1].lines()


def test_what_the_server_leaves_as_it_is_has_no_reverse(server: BoltClient) -> None:
    server.run_once(MADE[0])
    before = do(server, MADE[3])
    for statement in NOTHING:
        assert reverse_of(parse_command(statement), before) == "", statement
        assert server.run_once(statement).counters == {}, statement
        assert read_catalogue(server.read) == before, statement


def test_the_schema_is_the_same_whatever_order_it_was_made_in(server: BoltClient) -> None:
    do(server, MADE[0])
    one = do(server, MADE[8])
    server.run_once("DROP CONSTRAINT node_key")
    server.run_once("DROP INDEX full")
    do(server, MADE[8])
    other = do(server, MADE[0])
    assert (one.lines(), one.digest()) == (other.lines(), other.digest())
    assert list(one.lines()) == sorted(one.lines())


def test_nodes_are_no_schema_and_neither_is_seedbeds_own_constraint(server: BoltClient) -> None:
    server.run_once("DROP CONSTRAINT migrations_history_key IF EXISTS")
    before = read_catalogue(server.read)
    server.run_once("CREATE (:Person {id: 1})-[:KNOWS]->(:Person)")
    server.run_once(
        "CREATE CONSTRAINT migrations_history_key FOR (n:migrations_history) REQUIRE n.key IS UNIQUE"
    )
    after = read_catalogue(server.read)
    assert (after, after.digest()) == (before, before.digest())


BOTH_WAYS = """\
// migrate:up
DROP INDEX mine;
DROP CONSTRAINT mine_too;
CREATE INDEX new FOR (n:Person) ON (n.name);
CREATE INDEX there IF NOT EXISTS FOR (n:Person) ON (n.age);
CREATE INDEX same_under_another_name IF NOT EXISTS FOR (n:Person) ON (n.age);
DROP INDEX nobody IF EXISTS;
CREATE CONSTRAINT mine_too FOR (n:Other) REQUIRE n.id IS UNIQUE;
"""


def test_a_migration_without_a_way_down_is_undone_to_the_schema_that_was_there_before_it(here: Graph) -> None:
    here.do(
        "CREATE FULLTEXT INDEX mine FOR (n:Person) ON EACH [n.name]"
        " OPTIONS {indexConfig: {`fulltext.analyzer`: 'english'}}",
        "CREATE CONSTRAINT mine_too FOR (n:Person) REQUIRE n.id IS UNIQUE",
        "CREATE INDEX there FOR (n:Person) ON (n.age)",
    )
    before = schema(here)
    here.apply(BOTH_WAYS)
    after = schema(here)
    assert [line for line in after if "`there`" in line] == [line for line in before if "`there`" in line]
    assert any("`new`" in line for line in after)
    assert not any("`mine`" in line for line in after)
    here.apply(BOTH_WAYS, direction=Direction.DOWN)
    assert schema(here) == before


def test_what_needs_enterprise_is_said_before_anything_runs(here: Graph) -> None:
    before = schema(here)
    text = f"// migrate:up\n{MADE[0]};\nCREATE (:Person {{id: 1}});\nCREATE CONSTRAINT k FOR (n:L) REQUIRE n.p IS NODE KEY;\n"
    with pytest.raises(Refused, match="Enterprise") as caught:
        here.apply(text)
    assert "a key constraint, k (migrations/1_test.cypher:4)" in caught.value.because
    assert schema(here) == before
    assert here.ask("MATCH (n:Person) RETURN count(n) AS count") == [{"count": 0}]
