"""What a statement deletes is counted by its own search, where it is nothing but that."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.files.split import split
from seedbed.engines.neo4j.running.losses import counting


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
