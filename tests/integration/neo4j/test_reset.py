"""Emptying a graph."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.running import reset
from tests.support.neo4j.graphs import graph
from tests.support.servers import Settings


def test_everything_goes_batch_by_batch_and_only_the_lease_stays(
    neo4j_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = graph(neo4j_settings)
    monkeypatch.setattr(reset, "_BATCH", 30)
    here.do(
        "CREATE CONSTRAINT tutor FOR (t:Tutor) REQUIRE t.id IS UNIQUE",
        "CREATE CONSTRAINT `odd ``name` FOR ()-[r:TEACHES]-() REQUIRE r.id IS UNIQUE",
        "CREATE INDEX rank FOR (s:Skill) ON (s.rank)",
        "CREATE FULLTEXT INDEX search FOR (s:Skill) ON EACH [s.name]",
    )
    here.apply("// migrate:up\nCREATE (:Tutor {id: 1});\n")
    # One node with more relationships than a batch has.
    here.do("MATCH (t:Tutor) UNWIND range(1, 100) AS n CREATE (t)-[:TEACHES {id: n}]->(:Skill {rank: n})")
    with here.lease() as lease:
        words = lease.reset()
    assert words == "101 nodes, 100 relationships, 2 constraints, 2 indexes and the history"
    assert here.ask("MATCH (n) RETURN DISTINCT labels(n) AS labels, n.key AS key ORDER BY key") == [
        {"labels": ["migrations_history"], "key": "fence"},
        {"labels": ["migrations_history"], "key": "lease"},
    ]
    assert [each["name"] for each in here.ask("SHOW CONSTRAINTS YIELD name")] == ["migrations_history_key"]
    kinds = here.ask(
        "SHOW INDEXES YIELD type, name WHERE name <> 'migrations_history_key' RETURN DISTINCT type"
    )
    assert kinds == [{"type": "LOOKUP"}]
    with here.session() as session:
        assert session.history().revisions == ()
        assert all("LOOKUP" in each for each in session.schema())  # the server's own
    with here.lease() as lease:
        assert lease.reset() == "the history; the graph was empty"
