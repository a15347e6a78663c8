"""Why a migration may hurt, as far as its file shows it."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.files.parse import parse
from seedbed.model.hazard import Hazard
from seedbed.model.migration import MigrationFile, Source, checksum

BATCHES = "MATCH (n:L) CALL (n) { SET n.x = 1 } IN TRANSACTIONS"


def hazards(text: str, directives: str = "phase=migrate") -> tuple[Hazard, ...]:
    data = (
        f"// seedbed: {directives}\n// migrate:up\nCREATE (:A);\n{text}\n// migrate:down\n{BATCHES}".encode()
    )
    found = parse(MigrationFile("7", "x", Source("7_x.cypher", ".cypher", data), checksum(data))).hazards
    return tuple(each for each in found if each.code != "NEO108")  # that down section undoes nothing


@pytest.mark.parametrize(
    ("text", "directives", "code", "refused"),
    [
        ("CREATE CONSTRAINT k FOR (n:L) REQUIRE n.p IS NODE KEY", "phase=expand", "NEO101", False),
        ("CREATE CONSTRAINT k FOR (n:L) REQUIRE n.p IS NOT NULL", "phase=expand", "NEO101", False),
        ("CREATE CONSTRAINT k FOR ()-[r:T]-() REQUIRE r.p IS :: STRING", "phase=expand", "NEO101", False),
        (BATCHES, "phase=migrate", "NEO102", True),
        (f"{BATCHES} OF 10 ROWS ON ERROR CONTINUE", 'repeatable because "x"', "NEO103", True),
        (f"{BATCHES} on error break report status as s return s", 'repeatable because "x"', "NEO103", True),
        (
            "CALL apoc.periodic.iterate('MATCH (n:L) RETURN n', 'SET n.x = 1', {})",
            "phase=migrate",
            "NEO104",
            True,
        ),
        ("CALL apoc.cypher.runMany('CREATE (:A); CREATE (:B)', {})", "phase=migrate", "NEO104", True),
        ("DROP CONSTRAINT c", "phase=expand", "NEO105", True),
        ("DROP INDEX i", "phase=migrate", "NEO105", True),
        ("MATCH (n:L) DETACH DELETE n", "phase=expand", "NEO106", True),
        ("MATCH (n:L) REMOVE n.p", "phase=expand", "NEO106", True),
        ("LOAD CSV FROM 'https://x/y.csv' AS row CREATE (:L {p: row[0]})", "phase=migrate", "NEO107", False),
    ],
)
def test_a_hazard_has_a_code_a_line_and_a_way_round(
    text: str, directives: str, code: str, refused: bool
) -> None:
    (hazard,) = hazards(text, directives)
    assert (hazard.code, hazard.line, hazard.refused) == (code, 4, refused)
    assert hazard.what
    assert hazard.because
    assert hazard.try_


@pytest.mark.parametrize(
    ("text", "directives"),
    [
        (
            "CREATE CONSTRAINT k FOR (n:L) REQUIRE n.p IS UNIQUE; CREATE INDEX i FOR (n:L) ON (n.p)",
            "phase=expand",
        ),
        (BATCHES, 'repeatable because "x is set"'),
        (f"{BATCHES} ON ERROR FAIL", 'repeatable because "x is set"'),
        ("DROP INDEX i; MATCH (n:L) DETACH DELETE n", "phase=contract"),
        ("MATCH (n:L)-[r:T]->() DELETE r", "phase=migrate"),
        ("CREATE (:L {delete: 1, remove: 'REMOVE', x: 'apoc.periodic.commit'}) // LOAD CSV", "phase=expand"),
        ("MATCH (n:DELETE) SET n.REMOVE = 1", "phase=expand"),
        ("RETURN apoc.text.join(['a'], '')", "phase=expand"),
    ],
)
def test_what_does_no_harm_has_no_hazard(text: str, directives: str) -> None:
    assert hazards(text, directives) == ()


def written(up: str, down: str, directives: str = "phase=contract") -> list[Hazard]:
    data = f"// seedbed: {directives}\n// migrate:up\n{up}\n// migrate:down\n{down}\n".encode()
    return list(parse(MigrationFile("7", "x", Source("7_x.cypher", ".cypher", data), checksum(data))).hazards)


INDEX = "CREATE INDEX i FOR (n:L) ON (n.p)"
OTHER = "CREATE INDEX i FOR (n:L) ON (n.q)"


@pytest.mark.parametrize(
    ("up", "down", "says"),
    [
        (f"{INDEX}; MATCH (n:L) SET n.x = 1", "MATCH (n:L) SET n.x = 2", "leaves index i"),
        (
            f"{INDEX}; CREATE CONSTRAINT c FOR (n:L) REQUIRE n.q IS UNIQUE",
            "DROP INDEX i",
            "leaves constraint c",
        ),
        ("DROP INDEX i", "MATCH (n:L) SET n.x = 2", "does not create index i"),
        (INDEX, "DROP INDEX i", ""),
        (INDEX, "", ""),  # derived
        (f"{INDEX}; DROP INDEX i", "MATCH (n:L) SET n.x = 2", ""),
        (f"DROP INDEX i; {OTHER}", f"DROP INDEX i; {INDEX}", ""),
        (INDEX.replace("i FOR", "i IF NOT EXISTS FOR"), "MATCH (n:L) SET n.x = 2", ""),
    ],
)
def test_what_the_down_section_forgets_is_known_from_the_file(up: str, down: str, says: str) -> None:
    found = written(up, down)
    assert [each.code for each in found] == (["NEO108"] if says else [])
    assert all(says in each.what and "next apply fails" in each.because and each.try_ for each in found)


def test_the_same_hazard_of_many_statements_is_one_with_their_lines() -> None:
    (one,) = hazards("MATCH (n:L) DELETE n;\n" * 3, "phase=expand")
    assert (one.line, one.what) == (4, "DELETE in the phase expand; also in lines 5, 6")
    (many,) = hazards("MATCH (n:L) DELETE n;\n" * 9, "phase=expand")
    assert many.what == "DELETE in the phase expand; also in lines 5, 6, 7, 8, 9 and 3 more"


def test_a_removal_says_what_a_revert_restores() -> None:
    (kept,) = written("MATCH (n:L) REMOVE n.x", "MATCH (n:L) SET n.x = 1", "phase=expand")
    (gone,) = written("MATCH (n:L) REMOVE n.x", "", "phase=expand")
    assert "restores what the down section writes" in kept.because
    assert "no revert restores" in gone.because
