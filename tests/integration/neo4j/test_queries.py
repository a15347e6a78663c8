"""Queries of expectations on Neo4j: values as texts, and what ends a query."""

from __future__ import annotations

import threading

import pytest

from seedbed.errors import Interrupted, StepFailed
from tests.support.neo4j.graphs import graph
from tests.support.servers import Settings


def test_values_of_any_kind_are_texts(neo4j_settings: Settings) -> None:
    here = graph(neo4j_settings)
    here.do(
        "CREATE (:Tutor {id: 't1', at: datetime('2026-05-08T10:00:00Z')})-[:TEACHES]->(:Skill {slug: 'x'})"
    )
    with here.session() as session:
        (row,) = session.rows(
            "MATCH (t:Tutor)-[r]->() RETURN t, t.id AS id, t.at AS at, [1, 2.5] AS many, null AS no", 10
        )
        assert (row["id"], row["many"], row["no"]) == ("t1", "[1,2.5]", None)
        assert str(row["t"]).startswith('{"')
        assert str(row["at"]).startswith("2026-05-08T10:00:00")
        assert session.number("MATCH (t:Tutor) RETURN count(t) * 2.5") == 2.5
        with pytest.raises(StepFailed, match="a query whose number is compared has none"):
            session.number("MATCH (n) RETURN n")


def test_a_query_that_is_interrupted_ends(neo4j_settings: Settings) -> None:
    with graph(neo4j_settings).session() as session:
        timer = threading.Timer(0.5, session.interrupt)
        timer.start()
        with pytest.raises(Interrupted):
            session.rows("UNWIND range(1, 10000000000) AS n WITH n WHERE n < 0 RETURN n", 10)
        timer.join()
