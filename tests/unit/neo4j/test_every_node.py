"""Statements that would change seedbed's own nodes, because they change whatever nodes there are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedbed.engines.neo4j.files.lexer import LexError
from seedbed.engines.neo4j.files.parse import parse
from seedbed.engines.neo4j.files.split import split
from seedbed.engines.neo4j.rules.every_node import every_node
from seedbed.engines.neo4j.rules.seed_scripts import checked
from seedbed.errors import MigrationFileError, SeedFileError, SeveralErrors
from seedbed.model.migration import MigrationFile, Source, checksum
from seedbed.model.seed import Script

EVERYTHING = [
    "MATCH (n) DETACH DELETE n",
    "MATCH (n) DELETE n",
    "MATCH (n) CALL (n) { DELETE n } IN TRANSACTIONS OF 500 ROWS",
    "MATCH (n) CALL { WITH n DETACH DELETE n } IN TRANSACTIONS",
    "match (n) where n.old = true detach delete n",
    "MATCH (n {key: 1}) SET n.x = 1",
    "MATCH (n) SET n += {a: 1}",
    "MATCH (n) REMOVE n.x",
    "MATCH p = (n) DELETE n",
    "MATCH (a:A), (n) DELETE n",
    "OPTIONAL MATCH (n) DELETE n",
    "MATCH (n:%) DELETE n",
    "MATCH (n:!Skill) DELETE n",
    "MATCH (n) WHERE NOT n:Skill DELETE n",
    "MATCH (n) WITH n AS m DELETE m",
    "MATCH (n) WITH collect(n) AS ns FOREACH (x IN ns | DETACH DELETE x)",
    "MATCH (n) WITH n LIMIT 100 DETACH DELETE n",
    "MATCH (`n`) DELETE `n`",
    "CALL apoc.periodic.iterate('MATCH (n) RETURN n', 'DETACH DELETE n', {batchSize: 100})",
    'CALL apoc.periodic.commit("MATCH (n) WITH n LIMIT $limit DETACH DELETE n RETURN count(*)", {limit: 10})',
    "MATCH (n) WHERE n:Skill OR n.x = 1 SET n.y = 2, n.z = 3",
    "CALL { MATCH (n) RETURN n } DELETE n",
    "MATCH (n) WHERE size(labels(n)) = 0 DELETE n",
    "MATCH (n) OPTIONAL MATCH (n)-[r]-() DELETE r, n",
    r"MATCH (n) DELETE `\u006e`",
    "MATCH p = () DETACH DELETE p",
    "MATCH p = () FOREACH (n IN nodes(p) | SET n.environment = 'dev-x')",
    "MATCH p = ({key: 'identity'}) UNWIND nodes(p) AS n SET n.environment = 'dev-x'",
    "MATCH p = () SET (nodes(p)[0]).environment = 'dev-x'",
    "MATCH (n) SET (CASE WHEN true THEN n END).x = 1",
    "MATCH (n)-[*0..1]-(m) SET m.x = 1",
    "MATCH (n)-[:T*0]->() DETACH DELETE n",
    "MATCH (n)-[:T]->*(m) SET n.x = 1",
    "MATCH (n)-->{0,2}(m) SET n.x = 1",
    "MATCH (n) ((a)-[:T]->(b)){,3} (m) DETACH DELETE m",
    "MERGE (n) SET n.x = 1",
    "MERGE (n {id: 1}) ON CREATE SET n.y = 1 ON MATCH SET n.x = 1",
    "MERGE p = (n {id: 1}) DELETE n",
    "UNWIND $rows AS row MERGE (n {id: row.id}) SET n += row",
    "MATCH (n:!Skill&!Tutor) DELETE n",
    "MATCH (n:(!Skill)&(!Tutor)) DELETE n",
]
SELECTED = [
    "MATCH (n:Skill) DETACH DELETE n",
    "MATCH (n)-[r:T]->() DELETE r",
    "MATCH (n)-[:T]->(m) DELETE n, m",
    "MATCH (n) RETURN count(n)",
    "MATCH (n) WHERE n:Skill DELETE n",
    "MATCH (n:A|B) SET n.x = 1",
    "MATCH (n:A&!B) SET n.x = 1",
    "MATCH ()-[r]->() DELETE r",
    "MATCH (a:A) MATCH (a) DELETE a",
    "MATCH (a:A)-[:X]->(b) MATCH (b) SET b.x = 1",
    "CREATE (n:A {delete: 1}) SET n.x = 1",
    "MERGE (n:A {id: 1}) ON CREATE SET n.x = 1",
    "MERGE (n:A {id: 1}) ON MATCH SET n.x = 1",
    "MERGE (n {id: 1}) ON CREATE SET n.x = 1",
    "MATCH (a:A) MERGE (a)-[r:KNOWS]->(b) SET b.x = 1",
    "MATCH (n:(A|B)&!C) SET n.x = 1",
    "MATCH (n:!C&A) SET n.x = 1",
    "UNWIND $keys AS key MATCH (n:A {id: key}) SET n.x = key",
    "MATCH (n) WITH count(n) AS c MATCH (m:X) SET m.c = c",
    "MATCH (n IS Skill) DELETE n",
    "MATCH (a:A {`set`: 1}) RETURN a",
    "MATCH (n:DELETE) SET n.REMOVE = 1",
    "MATCH (s:Skill) SET s.tutors = COUNT { MATCH (n) RETURN n }",
    "CALL apoc.periodic.iterate('MATCH (n:L) RETURN n', 'SET n.x = 1', {})",
    "MATCH (n:$(l)) SET n.x = 1",
    "MATCH p = (a)-[:T]->(b) DETACH DELETE p",
    "MATCH p = (a:A) FOREACH (n IN nodes(p) | SET n.x = 1)",
    "MATCH (n)-[*]-(m) SET m.x = 1",
    "MATCH (n)-[*..3]-(m) SET m.x = 1",
    "MATCH (n:Skill)-[*0..3]-(m) SET m.x = 1",
    "MATCH (n:Skill) MATCH (n)-[:T]->{0,2}(m) SET m.x = 1",
    "MATCH (a:A)-[:X]->(n) SET a.x = a.y * 0",
    "MATCH (a:A), (n) SET a.x = n.y, a.n = 1",
    "MATCH (a:Asset)-[:ASSET_TYPE]->(type) CALL (a, type) { SET a.x = type.y } IN 2 CONCURRENT TRANSACTIONS",
]


@pytest.mark.parametrize("text", EVERYTHING)
def test_a_change_of_whatever_there_is_is_refused(text: str) -> None:
    data = f"// migrate:up\nCREATE (:A);\n{text};\n".encode()
    with pytest.raises(MigrationFileError, match="stands for every node") as caught:
        parse(MigrationFile("7", "x", Source("7_x.cypher", ".cypher", data), checksum(data)))
    assert caught.value.at is not None
    assert caught.value.at.line == 3


@pytest.mark.parametrize("text", SELECTED)
def test_a_change_of_what_a_label_or_a_relationship_selects_is_accepted(text: str) -> None:
    (statement,) = split(text)
    assert every_node(statement.tokens) is None


def test_all_statements_that_are_refused_are_said_at_once_with_their_lines() -> None:
    data = (
        b"// migrate:up\nMATCH (n) DELETE n;\nCREATE (:A);\nSHOW INDEXES;\nCREATE INDEX FOR (n:L) ON (n.p);\n"
    )
    with pytest.raises(SeveralErrors) as caught:
        parse(MigrationFile("7", "x", Source("7_x.cypher", ".cypher", data), checksum(data)))
    found = [(each.at and each.at.line, each.what[:24]) for each in caught.value.errors]
    assert [line for line, _ in found] == [2, 4, 5]
    assert found[1][1].startswith("`SHOW` is not allowed")
    assert found[2][1].startswith("the index has no name")


def test_the_down_section_and_seeds_are_held_to_the_same() -> None:
    data = b"// migrate:up\nCREATE (:A);\n// migrate:down\nMATCH (n) DETACH DELETE n;\n"
    with pytest.raises(MigrationFileError, match="stands for every node"):
        parse(MigrationFile("7", "x", Source("7_x.cypher", ".cypher", data), checksum(data)))
    with pytest.raises(SeedFileError, match="stands for every node"):
        checked(Script("a.cypher", Source("a.cypher", ".cypher", b"MATCH (n) SET n.seen = true")))


WORDS = [
    "MATCH",
    "MERGE",
    "ON",
    "(n)",
    "(n:A)",
    "&",
    "(",
    ")",
    "WHERE",
    "n",
    "n.x",
    ":",
    "A",
    "DELETE",
    "SET",
    "=",
    "OPTIONAL",
    "AS",
    ",",
    "-",
    "|",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=20))
def test_whatever_is_written_is_looked_at_without_an_error(words: list[str]) -> None:
    try:
        statements = split(" ".join(words))
    except LexError:
        return
    for each in statements:
        every_node(each.tokens)
