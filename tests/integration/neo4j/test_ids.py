"""Ids of a property: of nodes and relationships, in lists, of any type; and what ends reading them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from seedbed.engines.neo4j.running import ids
from seedbed.errors import Interrupted, StepFailed
from seedbed.model.platform import ALL, DatabaseId, Field, Reference, Where
from seedbed.model.verification import Suspect
from tests.support.neo4j.graphs import Graph, graph
from tests.support.servers import Settings
from tests.support.verified_sessions import verified


@pytest.fixture
def here(neo4j_settings: Settings) -> Graph:
    found = graph(neo4j_settings)
    found.do(
        "CREATE CONSTRAINT tutor FOR (t:Tutor) REQUIRE t.id IS UNIQUE",
        "CREATE INDEX users FOR (t:Tutor) ON (t.user)",
        "CREATE CONSTRAINT nobody FOR (s:Student) REQUIRE s.id IS UNIQUE",
        "CREATE (:Tutor {id: 't1', user: 7, at: datetime('2026-05-08T10:00:00Z'), skills: ['x', 'y']})"
        "-[:TEACHES {course: 'c1'}]->"
        "(:Tutor {id: 't2', user: 7.0, at: datetime('2026-05-07T10:00:00Z'), skills: 'x', rate: 1.50})"
        "-[:TEACHES]->(:Tutor {id: 't3'})",
    )
    return found


def texts(here: Graph, path: str, where: Where = ALL) -> tuple[list[str], int]:
    """Return the ids of `path`, sorted, and how many there are not."""
    with here.session() as session:
        blocks = list(session.ids(path, where))
    return sorted(text for each in blocks for text in each.texts), sum(each.empty for each in blocks)


def test_ids_are_read_from_properties_and_lists_of_nodes_and_relationships(
    here: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids, "_ROWS", 2)
    assert texts(here, "Tutor.id") == (["t1", "t2", "t3"], 0)
    assert texts(here, "Tutor.user") == (["7", "7"], 1)
    assert texts(here, "Tutor.rate") == (["1.5"], 2)
    assert texts(here, "Tutor.skills") == (["x", "x", "y"], 1)
    assert texts(here, "TEACHES.course") == (["c1"], 1)
    assert texts(here, "Student.id") == ([], 0)  # there is none, and a constraint knows of them
    with pytest.raises(StepFailed, match="there is no label Teacher"):
        texts(here, "Teacher.id")
    with pytest.raises(StepFailed, match="there is no property usr"):
        texts(here, "Tutor.usr")
    here.do("CREATE INDEX soon FOR (t:Tutor) ON (t.usr)")
    assert texts(here, "Tutor.usr") == ([], 3)


def test_only_the_nodes_are_read_that_a_reference_is_about(here: Graph) -> None:
    assert texts(here, "Tutor.id", Where((("user", ("7",)),))) == (["t1", "t2"], 0)
    assert texts(here, "Tutor.user", Where((("id", ("t1", "t3")),))) == (["7"], 1)
    assert texts(here, "TEACHES.course", Where((("course", ("c2",)),))) == ([], 0)
    with here.session() as session:
        for path in ("Tutor.user", "Tutor.skills"):  # one of them has an index
            held = session.holders(
                path, [Suspect("7"), Suspect("x")], time="", most=5, where=Where((("id", ("t2",)),))
            )
            assert [(each.count, list(each.rows)) for each in held.values()] == [(1, ["t2"])]
    with pytest.raises(StepFailed, match="there is no property knid"):
        texts(here, "Tutor.user", Where((("knid", ("x",)),)))
    assert texts(here, "Student.id", Where((("knid", ("x",)),))) == (
        [],
        0,
    )  # there is none that could have it


def test_days_and_times_are_ids_and_what_cannot_be_looked_for_again_is_refused(here: Graph) -> None:
    here.do(
        "CREATE INDEX days FOR (d:Day) ON (d.at)",
        "CREATE (:Day {at: date('2026-01-02'), also: date('0999-12-31')})",
        "CREATE (:Day {at: localdatetime('2026-01-02T03:04:05.000000006'), also: localtime('10:00')})",
        "CREATE (:Odd {number: 0.0 / 0.0, span: duration('P1D'), place: point({x: 1, y: 2}), at: datetime()})",
    )
    for path, first in (("Day.at", "2026-01-02"), ("Day.also", "0999-12-31")):
        every, _ = texts(here, path)
        assert first in every
        assert len(every) == 2
        with here.session() as session:
            assert set(session.found(path, every)) == set(every)
            assert set(session.holders(path, list(map(Suspect, every)), time="", most=1)) == set(every)
    refused = {"number": "float", "span": "Duration", "place": "CartesianPoint", "at": "DateTime"}
    for name, kind in refused.items():
        with pytest.raises(StepFailed, match=f"a {kind} is not an id"):
            texts(here, f"Odd.{name}")


def test_what_holds_an_id_is_told_by_its_unique_property_with_the_time_of_the_oldest(here: Graph) -> None:
    with here.session() as session:
        held = session.holders("Tutor.user", [Suspect("7"), Suspect("8")], time="at", most=5)
        assert {id_: (each.count, sorted(each.rows), each.since) for id_, each in held.items()} == {
            "7": (2, ["t1", "t2"], datetime(2026, 5, 7, 10, tzinfo=UTC))
        }
        held = session.holders("Tutor.skills", [Suspect("x"), Suspect("y")], time="", most=1)
        assert {id_: (each.count, len(each.rows)) for id_, each in held.items()} == {"x": (2, 1), "y": (1, 1)}
        (held_by,) = session.holders("TEACHES.course", [Suspect("c1")], time="", most=1)["c1"].rows
        assert session.found("TEACHES.course", ["c1", "c2"]) == {"c1"}
    (relationship,) = here.ask("MATCH ()-[n:TEACHES {course: 'c1'}]->() RETURN elementId(n) AS id")
    assert held_by == relationship["id"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("datetime('2026-11-03T13:59:59+02:00')", "datetime('2026-11-03T13:00[Europe/Berlin]')"),
        ("localdatetime('2026-11-03T11:59:59.999999')", "localdatetime('2026-11-03T12:00')"),
        ("date('2026-11-03')", "date('2026-11-04')"),
        ("1793707199", "1793707200000"),
        ("'2026-11-03T11:59:59Z'", "'2026-11-03T12:00:00Z'"),
    ],
    ids=["datetime", "localdatetime", "date", "number", "text"],
)
def test_new_orphans_are_found_and_old_ones_left_out_whatever_tells_the_time(
    here: Graph, old: str, new: str
) -> None:
    here.do(
        f"UNWIND [['before', {old}], ['after', {new}], ['t1', {new}], ['ever', NULL]] AS row "
        "CREATE (:Visit {who: row[0], at: row[1]})"
    )
    place, when = DatabaseId("tutor/neo4j"), datetime(2026, 11, 3, 12, tzinfo=UTC)
    reference = Reference(Field(place, "Visit.who"), Field(place, "Tutor.id"), grace=0, time="at")
    with here.session() as session:
        (found,) = verified({place: session}, reference, since=when).references
        (whole,) = verified({place: session}, reference).references
    assert (found.ids, [each.id for each in found.samples], found.error) == (3, ["after", "ever"], None)
    after = datetime(2026, 11, 4, tzinfo=UTC) if new == "date('2026-11-04')" else when
    assert found.samples[0].holders.since == after
    assert [each.id for each in whole.samples] == ["after", "before", "ever"]


def test_a_read_that_is_interrupted_ends(here: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_ROWS", 1)
    with here.session() as session:
        blocks = session.ids("Tutor.id")
        next(blocks)
        session.interrupt()
        with pytest.raises(Interrupted):
            list(blocks)
        with pytest.raises(Interrupted):
            session.found("Tutor.id", ["t1"])
