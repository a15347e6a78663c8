"""What a statement deletes is counted by its own search, where it is nothing but that."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.files.split import split
from seedbed.engines.neo4j.running.losses import counting, counting_along


@pytest.mark.parametrize(
    ("statement", "query"),
    [
        ("MATCH (n:Skill) DETACH DELETE n", "MATCH (n:Skill)  RETURN count(DISTINCT n) AS count"),
        (
            "CYPHER 25 MATCH (a:A)-[r]->(b) WHERE a.x = 'DELETE' DELETE r, b",
            "CYPHER 25 MATCH (a:A)-[r]->(b) WHERE a.x = 'DELETE'  RETURN count(DISTINCT r) + count(DISTINCT b) AS count",
        ),
        ("MATCH (n:Skill) SET n.x = 1 DELETE n", None),
        ("MATCH (n:Skill) CALL { WITH n DETACH DELETE n } IN TRANSACTIONS", None),
        ("MATCH (n:Skill) DELETE n RETURN count(n)", None),
        ("MATCH p = (n:Skill)--() DELETE nodes(p)", None),
        ("MATCH (n:Skill) RETURN n", None),
    ],
)
def test_what_is_deleted_is_counted_by_the_search_for_it(statement: str, query: str | None) -> None:
    (found,) = split(statement)
    assert counting(found) == query


@pytest.mark.parametrize(
    ("statement", "nodes"),
    [
        ("MATCH (n:Skill) DETACH DELETE n", "n"),
        ("MATCH (a:A)-[r:X]->(`b c`) DETACH DELETE a, r, `b c`", "a, `b c`"),
        ("MATCH ()-[r]->() DETACH DELETE r", None),
        ("MATCH (n:Skill) CALL { WITH n DETACH DELETE n } IN TRANSACTIONS", None),
    ],
)
def test_what_goes_along_by_detach_are_the_relationships_of_the_nodes(
    statement: str, nodes: str | None
) -> None:
    (found,) = split(statement)
    query = counting_along(found)
    if nodes is None:
        assert query is None
    else:
        assert query == (
            f"{statement.partition('DETACH')[0]} UNWIND [{nodes}] AS gone WITH DISTINCT gone "
            "RETURN sum(COUNT { (gone)--() }) AS count"
        )
