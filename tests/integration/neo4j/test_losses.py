"""What a revert says that it removes: the nodes that its statements find, and the relationships that DETACH takes."""

from __future__ import annotations

from seedbed.model.migration import Direction, Work
from tests.support.neo4j.graphs import Graph, graph, migration
from tests.support.servers import Settings

BATCHES = "MATCH (t:Tutor) CALL (t) { DETACH DELETE t} IN TRANSACTIONS"


def test_what_goes_along_by_detach_is_counted_or_said_to_be_unknown(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings)
    here.do(
        "CREATE (a:Tutor {id: 1})-[:TEACHES]->(s:Skill), (b:Tutor {id: 2})-[:TEACHES]->(s), (a)-[:KNOWS]->(b), (:Loner)"
    )
    assert _removed(here, "MATCH (t:Tutor) DETACH DELETE t") == [
        "MATCH (t:Tutor) DETACH DELETE t: 2 entities",
        "MATCH (t:Tutor) DETACH DELETE t, by DETACH: at most 4 relationships",  # one is between the two
    ]
    assert _removed(here, "MATCH (t:Tutor)-[r:TEACHES]->(s) DETACH DELETE r, s") == [
        "MATCH (t:Tutor)-[r:TEACHES]->(s) DETACH DELETE r, s: 3 entities",
        "MATCH (t:Tutor)-[r:TEACHES]->(s) DETACH DELETE r, s, by DETACH: at most 2 relationships",
    ]
    assert _removed(here, "MATCH (l:Loner) DETACH DELETE l") == ["MATCH (l:Loner) DETACH DELETE l: 1 entity"]
    assert _removed(here, "MATCH ()-[k:KNOWS]->() DELETE k") == ["MATCH ()-[k:KNOWS]->() DELETE k: 1 entity"]
    assert _removed(here, BATCHES)[1:] == [f"{BATCHES}, by DETACH: an unknown number of relationships"]
    walk = "UNWIND $keys AS key MATCH (t:Tutor {id: key}) DETACH DELETE t"
    assert _removed(here, walk, "// seedbed: backfill=Tutor.id\n") == [
        f"{walk}: at most 2 entities",
        f"{walk}, by DETACH: at most 4 relationships",
    ]


def _removed(here: Graph, down: str, directives: str = "") -> list[str]:
    up = "MATCH (t:Tutor {id: 0}) RETURN t" if not directives else down
    text = migration(f"{directives}// migrate:up\n{up};\n// migrate:down\n{down};\n")
    with here.session() as session:
        return [str(each) for each in session.losses([Work(text, Direction.DOWN)])]
