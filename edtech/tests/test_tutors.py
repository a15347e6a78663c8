"""The tutor-matching service on a graph that holds the seeds again before each test."""

from collections.abc import Iterator

import neo4j
import pytest

from apps import tutors


@pytest.fixture
def graph(seedbed_environ) -> Iterator[neo4j.Driver]:
    """The graph as the seeds have it."""
    seedbed_environ("tutor-matching/neo4j")
    with tutors.connect() as driver:
        yield driver


@pytest.mark.parametrize("again", [1, 2])
def test_a_tutor_who_stops_teaching_is_not_found(graph: neo4j.Driver, again: int) -> None:
    assert tutors.teachers(graph, "python") == ["Bruno"]
    tutors.stop_teaching(graph, "Bruno", "python")
    assert tutors.teachers(graph, "python") == []
