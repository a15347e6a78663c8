"""What EXPLAIN and the schema of a real server tell about migrations before they run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from seedbed.engines.neo4j.address import address
from seedbed.engines.neo4j.files.parse import parse
from seedbed.engines.neo4j.rules.plans import PlanLimits
from seedbed.engines.neo4j.running.examine import examine
from seedbed.engines.neo4j.schema.catalogue import read_catalogue
from seedbed.engines.neo4j.store import last_schema
from seedbed.engines.neo4j.wire.client import BoltClient
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Migration, MigrationFile, Source, checksum
from tests.support.neo4j.graphs import graph
from tests.support.servers import Settings

BOUNDS = PlanLimits(rows=100, eager=100, statements=4)


HURTS = [
    ("MERGE (n {id: 1})", "NEO201", "every node of the database (AllNodesScan, about 2"),
    ("MATCH (n) WHERE n.x IS NULL RETURN n", "NEO201", "every node"),
    ("MATCH ()-[r]->() WHERE r.x = 1 RETURN r", "NEO201", "every relationship"),
    ("MATCH (t:Tutor), (s:Skill) RETURN t, s", "NEO202", "pairs everything with everything"),
    ("MATCH (t:Tutor) SET t.x = 1", "NEO203", "change 200 rows in one transaction"),
    ("MERGE (s:Skill {name: 1})", "NEO204", "MERGE looks through all nodes of Skill"),
    (
        "UNWIND [1, 2] AS name MATCH (s:Skill {name: name}) SET s.x = 1",
        "NEO204",
        "MATCH looks through all nodes of Skill",
    ),
    ("MATCH (t:Tutor) WHERE id(t) = 1 RETURN t", "NEO206", "id is deprecated"),
    ("RETURN nothing_like_it(1)", "NEO200", "would refuse it: RETURN nothing_like_it(1)"),
    ("MATCH (t:Tutor SET t.x = 1, t:Y)", "NEO200", "would refuse it"),
    ("CREATE FULLTEXT INDEX f FOR (n:L) ON (n.p)", "NEO200", "would refuse it"),
    (
        "CREATE CONSTRAINT tutor_id IF NOT EXISTS FOR (n:Skill) REQUIRE n.name IS UNIQUE",
        "NEO208",
        "tutor_id is there, and is something",
    ),
    ("CREATE INDEX tutor_id FOR (n:Skill) ON (n.name)", "NEO209", "tutor_id is there already"),
    ("CREATE INDEX tutor_id IF NOT EXISTS FOR (n:Skill) ON (n.name)", "NEO209", "tutor_id is there already"),
    (
        "CREATE CONSTRAINT t FOR (n:Tutor) REQUIRE n.id IS UNIQUE",
        "NEO209",
        "t is there already, under the name tutor_id",
    ),
    ("CREATE INDEX t FOR (n:Tutor) ON (n.id)", "NEO209", "t is there already, under the name tutor_id"),
    (
        "CREATE CONSTRAINT t IF NOT EXISTS FOR (n:Tutor) REQUIRE n.id IS UNIQUE",
        "NEO214",
        "CREATE CONSTRAINT t creates nothing: (:Tutor) id has tutor_id already",
    ),
    (
        "CREATE CONSTRAINT k FOR (n:Skill) REQUIRE n.name IS NODE KEY",
        "NEO210",
        "this server is Neo4j Community",
    ),
    (
        "CREATE CONSTRAINT l FOR ()-[r:TEACHES]-() REQUIRE r.level IS UNIQUE",
        "NEO211",
        "1 values of ()-[:TEACHES]-()",
    ),
]
HARMLESS = [
    "MATCH (t:Tutor {id: 1}) SET t.x = 1",
    "MATCH (a:Tutor {id: 1}), (b:Tutor {id: 2}) CREATE (a)-[:KNOWS]->(b)",
    "MATCH (a:Tutor {id: 1}), (s:Skill {name: 2}) CREATE (a)-[:TEACHES]->(s)",
    "MERGE (t:Tutor {id: 1}) ON CREATE SET t.x = 1",
    "UNWIND [1, 2] AS id MATCH (t:Tutor {id: id}) MERGE (t)-[:SEES]->(t)",
    "CREATE INDEX skill FOR (s:Skill) ON (s.name);\nMERGE (s:Skill {name: 1})",
    "CREATE CONSTRAINT tutor FOR (n:Tutor) REQUIRE n.name IS UNIQUE",
    "CREATE CONSTRAINT tutor_id IF NOT EXISTS FOR (n:Tutor) REQUIRE n.id IS UNIQUE",
    "DROP CONSTRAINT tutor_id;\nCREATE CONSTRAINT tutor_id FOR (n:Tutor) REQUIRE (n.id, n.x) IS UNIQUE",
    "MATCH (t:Tutor) CALL (t) { SET t.x = 1 } IN TRANSACTIONS OF 10 ROWS",
]


@pytest.fixture
def server(neo4j_settings: Settings) -> Iterator[BoltClient]:
    """A graph of 200 tutors, each of whom teaches one of ten skills."""
    made = BoltClient(address(neo4j_settings, None))
    made.open()
    made.run_once("CREATE CONSTRAINT tutor_id FOR (n:Tutor) REQUIRE n.id IS UNIQUE")
    made.run_once(
        "UNWIND range(1, 200) AS i MERGE (s:Skill {name: i % 10}) CREATE (:Tutor {id: i})-[:TEACHES {level: 1}]->(s)"
    )
    yield made
    made.close()


def migration(text: str, version: str = "1", directives: str = "phase=migrate") -> Migration:
    data = f"// seedbed: {directives}\n// migrate:up\n{text}\n".encode()
    return parse(MigrationFile(version, "x", Source(f"{version}_x.cypher", ".cypher", data), checksum(data)))


def looked_at(server: BoltClient, *migrations: Migration) -> list[Hazard]:
    found = examine(server, migrations, bounds=BOUNDS)
    assert list(found) == [each.version for each in migrations]
    return list(found[migrations[-1].version])


def test_what_would_hurt_has_a_code_a_reason_and_the_line_of_its_statement(server: BoltClient) -> None:
    for text, code, says in HURTS:
        found = looked_at(server, migration(f"CREATE (:Fine);\n// and then\n{text}"))
        hazards = [each for each in found if each.code == code]
        assert [(each.line, bool(each.because), says in each.what) for each in hazards] == [
            (5, True, True)
        ], found


def test_what_does_no_harm_has_no_hazard(server: BoltClient) -> None:
    assert {text: looked_at(server, migration(text)) for text in HARMLESS} == {text: [] for text in HARMLESS}


def test_only_what_writes_for_every_node_is_refused_where_environments_are_protected(
    server: BoltClient,
) -> None:
    found = {
        text: [
            (each.refused, each.because)
            for each in looked_at(server, migration(text))
            if each.code == "NEO201"
        ]
        for text in (
            "MERGE (n {id: 1}) ON CREATE SET n.x = 1",
            "MATCH (n) CREATE (:Copy {of: elementId(n)})",
            "MATCH (n) RETURN n",
            "MATCH ()-[r]->() DELETE r",
        )
    }
    assert [[(refused, because[:36]) for refused, because in each] for each in found.values()] == [
        [(True, "MERGE looks for the node among all o")],
        [(True, "seedbed's own nodes are among them, ")],
        [(False, "no label or type says which ones are")],
        [(False, "no label or type says which ones are")],
    ]


def test_what_a_migration_before_it_makes_is_not_missed(server: BoltClient) -> None:
    merge = migration("UNWIND [1, 2] AS name MERGE (s:Skill {name: name})", "2")
    assert [each.code for each in looked_at(server, merge)] == ["NEO204"]
    assert looked_at(server, migration("CREATE INDEX skill FOR (s:Skill) ON (s.name)"), merge) == []


def test_a_backfill_wants_an_index_along_its_key(server: BoltClient) -> None:
    walk = "UNWIND $keys AS key MATCH (s:Skill {name: key}) SET s.slug = 'x'"
    by_name = migration(walk, "2", "phase=migrate backfill=Skill.name batch=2")
    found = {each.code: each for each in looked_at(server, by_name)}
    assert found["NEO207"].refused
    assert looked_at(server, migration("CREATE INDEX skill FOR (s:Skill) ON (s.name)"), by_name) == []
    tutors = "UNWIND $keys AS key MATCH (t:Tutor {id: key})-[r:TEACHES]->() SET t.level = r.level"
    assert looked_at(server, migration(tutors, directives="phase=migrate backfill=Tutor.id")) == []


def test_a_large_change_that_must_read_all_before_it_writes_says_so(server: BoltClient) -> None:
    text = "MATCH (t:Tutor)-[:TEACHES]->(s:Skill) CREATE (t)-[:TEACHES]->(:Skill)"
    (hazard,) = [each for each in looked_at(server, migration(text)) if each.code == "NEO205"]
    assert "(Eager)" in hazard.what
    assert "relationship type: TEACHES" in hazard.because


def test_a_file_with_very_many_statements_is_looked_at_in_part_and_that_is_said(server: BoltClient) -> None:
    found = looked_at(server, migration("RETURN 1;\n" * 4 + "MATCH (n) RETURN n"))
    assert [(each.code, each.what) for each in found] == [
        ("NEO213", "only the first 4 of its 5 statements were looked at")
    ]


def test_looking_changes_nothing(server: BoltClient) -> None:
    before = read_catalogue(server.read)
    looked_at(
        server,
        migration(
            "MATCH (t:Tutor) DETACH DELETE t;\nDROP CONSTRAINT tutor_id;\nCREATE INDEX i FOR (n:L) ON (n.p)"
        ),
    )
    assert read_catalogue(server.read) == before
    assert server.read("MATCH (t:Tutor) RETURN count(t) AS count", {}) == [{"count": 200}]


def test_what_somebody_else_made_of_the_schema_since_the_last_run_is_told(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings)
    ahead = migration("RETURN 1", "9")

    def drifted() -> list[Hazard]:
        with here.session() as session:
            return [each for each in session.examine([ahead])["9"] if each.code == "NEO212"]

    assert drifted() == []  # nobody knows what it was
    here.apply(
        "// migrate:up\nCREATE INDEX mine FOR (n:Person) ON (n.name);\nCREATE INDEX old FOR (n:Person) ON (n.age);\n"
    )
    with here.lease() as lease:
        last_schema.save(lease)
    assert drifted() == []
    here.do("DROP INDEX old", "CREATE INDEX theirs FOR (n:Person) ON (n.id)")
    (hazard,) = drifted()
    assert "1 constraints or indexes went and 1 came" in hazard.what
    assert "gone: CREATE RANGE INDEX `old`" in hazard.because
    assert "new: CREATE RANGE INDEX `theirs`" in hazard.because
    with here.lease() as lease:
        last_schema.save(lease)
    assert drifted() == []
