"""What the catalogue of a real PostgreSQL proves about statements that were begun and never recorded as done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from seedbed.engines.postgres.running.probe import ProbeResult, probe

Connection = psycopg.Connection[tuple[Any, ...]]

SCENE = """
CREATE TABLE people (id int PRIMARY KEY, email text); INSERT INTO people VALUES (1, 'a'), (2, 'a');
CREATE INDEX people_idx ON people (email);
CREATE SCHEMA "My Shop"; CREATE TABLE "My Shop"."Things" (id int, "No" int); INSERT INTO "My Shop"."Things" VALUES (1, 1), (2, 1);
CREATE INDEX "The ""Idx"" 1" ON "My Shop"."Things" (id);
CREATE TABLE days (at date) PARTITION BY RANGE (at);
CREATE TABLE january PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE INDEX days_idx ON ONLY days (at);
"""
BROKEN = (
    "CREATE UNIQUE INDEX CONCURRENTLY broken ON people (email)",
    'CREATE UNIQUE INDEX CONCURRENTLY "Broken" ON "My Shop"."Things" ("No")',
)


@pytest.fixture
def connection(postgres_database: str) -> Iterator[Connection]:
    with psycopg.connect(postgres_database, autocommit=True) as opened:
        opened.execute(SCENE.encode())
        for statement in BROKEN:
            with pytest.raises(psycopg.errors.UniqueViolation):
                opened.execute(statement.encode())
        yield opened


@pytest.mark.parametrize(
    ("statement", "took_effect", "words"),
    [
        ("CREATE INDEX CONCURRENTLY none ON people (email)", False, "is not there"),
        ("CREATE INDEX CONCURRENTLY people_idx ON people (email)", True, "there and valid"),
        ("CREATE INDEX CONCURRENTLY broken ON people (email)", False, "left invalid"),
        ('CREATE INDEX CONCURRENTLY "The ""Idx"" 1" ON "My Shop"."Things" (id)', True, "there and valid"),
        ('CREATE INDEX CONCURRENTLY "Broken" ON "My Shop"."Things" (id)', False, "left invalid"),
        ("CREATE INDEX CONCURRENTLY broken ON days (at)", None, "on another table"),
        ("CREATE INDEX CONCURRENTLY days_idx ON days (at)", None, "partitioned"),
        ("DROP INDEX CONCURRENTLY none", True, "is gone"),
        ("DROP INDEX CONCURRENTLY people_idx", False, "still there"),
        ("DROP INDEX CONCURRENTLY IF EXISTS broken", False, "still there"),
        ('DROP INDEX CONCURRENTLY "My Shop"."Broken"', False, "still there"),
        ("REINDEX INDEX CONCURRENTLY people_idx", False, "again is safe"),
        ("REINDEX TABLE CONCURRENTLY people", False, "again is safe"),
        ("REINDEX TABLE CONCURRENTLY none", None, "not there any more"),
        ("REINDEX INDEX CONCURRENTLY none", None, "not there any more"),
        ("ALTER TABLE days DETACH PARTITION january CONCURRENTLY", False, "still attached"),
        ("ALTER TABLE days DETACH PARTITION people CONCURRENTLY", True, "is detached"),
        ("ALTER TABLE days DETACH PARTITION none CONCURRENTLY", None, "not there any more"),
        ("VACUUM people", None, "cannot prove"),
        ("CALL work()", None, "cannot prove"),
        ("DROP INDEX CONCURRENTLY IF EXISTS a, b", None, "cannot prove"),
    ],
)
def test_the_catalogue_is_asked(
    connection: Connection, statement: str, took_effect: bool | None, words: str
) -> None:
    verdict = probe(connection, statement)
    assert verdict.took_effect is took_effect
    assert words in verdict.explanation


def test_what_was_left_is_dropped_by_its_full_name(connection: Connection) -> None:
    verdict = probe(connection, 'CREATE INDEX CONCURRENTLY "Broken" ON "My Shop"."Things" (id)')
    assert verdict.cleanup == ('DROP INDEX CONCURRENTLY IF EXISTS "My Shop"."Broken"',)
    for statement in verdict.cleanup:
        connection.execute(statement.encode())
    assert probe(connection, 'CREATE INDEX CONCURRENTLY "Broken" ON "My Shop"."Things" (id)').left_nothing


@pytest.mark.parametrize(
    ("verdict", "left_nothing"),
    [
        (ProbeResult(False, ""), True),
        (ProbeResult(False, "", ("DROP INDEX a",)), False),
        (ProbeResult(False, "", instead="FINALIZE"), False),
        (ProbeResult(None, ""), False),
        (ProbeResult(True, ""), False),
    ],
)
def test_only_what_was_never_begun_has_left_nothing(verdict: ProbeResult, left_nothing: bool) -> None:
    assert verdict.left_nothing is left_nothing


def rename(connection: Connection, old: str, new: str) -> None:
    connection.execute(f'ALTER INDEX {old} RENAME TO "{new}"'.encode())


@pytest.mark.parametrize(
    ("name", "is_leftover"),
    [
        ("people_idx_ccnew", True),
        ("people_idx_ccold", True),
        ("people_idx_ccnew3", True),
        ("people_pkey_ccnew", False),  # of another index
        ("peopleXidx_ccnew", False),
        ("people_idx_ccnew_old", False),
        ("people_id_ccnew", False),
        ("people_idx", False),
    ],
)
def test_leftovers_of_a_rebuild_are_told_by_their_name(
    connection: Connection, name: str, is_leftover: bool
) -> None:
    if name != "people_idx":
        rename(connection, "broken", name)
    verdict = probe(connection, "REINDEX INDEX CONCURRENTLY people_idx")
    assert bool(verdict.cleanup) is is_leftover
    assert (name in verdict.explanation.split("; ")[-1].split(": ")[-1].split(", ")) is is_leftover


def test_a_rebuilt_table_has_leftovers_of_any_of_its_indexes_and_of_no_other(connection: Connection) -> None:
    rename(connection, "broken", "people_pkey_ccnew")
    rename(connection, '"My Shop"."Broken"', "people_idx_ccnew")
    verdict = probe(connection, "REINDEX TABLE CONCURRENTLY people")
    assert verdict.cleanup == ('DROP INDEX CONCURRENTLY IF EXISTS "public"."people_pkey_ccnew"',)


def test_a_valid_index_with_the_name_of_a_leftover_is_none(connection: Connection) -> None:
    connection.execute("CREATE INDEX people_idx_ccnew ON people (id)")
    assert probe(connection, "REINDEX INDEX CONCURRENTLY people_idx").cleanup == ()
