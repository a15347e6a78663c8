"""What a statement is, read off its tree."""

from __future__ import annotations

import pytest

from seedbed.engines.postgres.files.grammar import ParsedStatement, parse
from seedbed.engines.postgres.files.summaries import describe, summary
from seedbed.engines.postgres.rules.effects import Effect, EffectKind, effect
from seedbed.engines.postgres.rules.sessions import may_change_session, sets_session
from seedbed.engines.postgres.rules.transactions import commits_inside


def parsed(sql: str) -> tuple[ParsedStatement, ...]:
    return parse(sql.encode())


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", Effect(EffectKind.CREATE_INDEX, None, "i", table='"t"')),
        (
            'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I i" ON s."T""x" (a)',
            Effect(EffectKind.CREATE_INDEX, "s", "I i", table='"s"."T""x"', if_not_exists=True),
        ),
        ("DROP INDEX CONCURRENTLY s.i", Effect(EffectKind.DROP_INDEX, "s", "i")),
        ("DROP INDEX CONCURRENTLY IF EXISTS i", Effect(EffectKind.DROP_INDEX, None, "i", if_exists=True)),
        ("REINDEX INDEX CONCURRENTLY s.i", Effect(EffectKind.REINDEX_INDEX, "s", "i")),
        ("REINDEX (CONCURRENTLY) TABLE t", Effect(EffectKind.REINDEX_TABLE, None, "t")),
        (
            "ALTER TABLE IF EXISTS s.t DETACH PARTITION p CONCURRENTLY",
            Effect(EffectKind.DETACH_PARTITION, "s", "t", table='"s"."t"', partition='"p"', if_exists=True),
        ),
        ("CREATE INDEX i ON t (a)", None),
        ("ALTER TABLE t DETACH PARTITION p", None),
        ("ALTER TABLE t ADD COLUMN a int", None),
        ("DROP TABLE t", None),
        ("DROP INDEX CONCURRENTLY a, b", None),
        ("REINDEX SCHEMA s", None),
        ("VACUUM", None),
        ("CALL f()", None),
        ("SELECT 1; SELECT 2", None),
    ],
)
def test_the_catalogue_can_prove_the_effects_of_some_statements(sql: str, expected: Effect | None) -> None:
    assert effect(sql) == expected


def test_call_and_do_may_commit_inside() -> None:
    assert commits_inside("CALL f()")
    assert commits_inside("DO $$ BEGIN COMMIT; END $$")
    assert commits_inside("DO $$ BEGIN CALL f(); END $$")
    assert commits_inside("DO $$ BEGIN\nCALL f(); END $$")
    assert commits_inside("DO LANGUAGE plperl $$ spi_commit(); $$")
    assert commits_inside("DO E'BEGIN \\103OMMIT; END'")


@pytest.mark.parametrize("sql", ["DO $$ BEGIN PERFORM f(); END $$", "VACUUM t", "SELECT 'commit'"])
def test_other_statements_do_all_or_nothing(sql: str) -> None:
    assert not commits_inside(sql)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [("SET a.b = 1", True), ("RESET ALL", True), ("SET LOCAL a.b = 1", False), ("SELECT 1", False)],
)
def test_settings_of_the_session_are_told_from_those_of_a_transaction(sql: str, expected: bool) -> None:
    assert sets_session(sql) is expected


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a int DEFAULT f()); CREATE INDEX i ON t (a); COMMENT ON TABLE t IS 'x'",
        "ALTER TABLE t ADD COLUMN a int NOT NULL DEFAULT 0, DROP COLUMN b",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = x AS 'select 1'",
        "CREATE VIEW v AS SELECT f(a) FROM t; GRANT SELECT ON v TO x; DROP VIEW v",
    ],
)
def test_definitions_alone_leave_no_settings_behind(sql: str) -> None:
    assert not may_change_session(parsed(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "SET lock_timeout = '1s'",
        "RESET ALL",
        "SELECT set_config('search_path', 'x', false)",
        "DO $$ $$",
        "CALL f()",
        "UPDATE t SET a = f()",
        "CREATE TABLE t AS SELECT f()",
        "CREATE TABLE a (); SET ROLE x",
        "ALTER TABLE t ADD COLUMN a int DEFAULT f()",
        "CREATE TABLE p PARTITION OF t FOR VALUES FROM (f()) TO (2)",
        "CREATE EXTENSION x",
    ],
)
def test_whatever_might_change_a_setting_is_taken_to_do_so(sql: str) -> None:
    assert may_change_session(parsed(sql))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("create temp table t (a int)", "CREATE TEMPORARY TABLE t"),
        ('create table "T t".x ()', 'CREATE TABLE "T t".x'),
        ("create unique index concurrently i on s.t (a)", "CREATE UNIQUE INDEX CONCURRENTLY i ON s.t"),
        (
            "alter table t add column b int, drop column c, add constraint x check (b > 0), alter d set default 1",
            "ALTER TABLE t ADD COLUMN b, DROP COLUMN c, ADD CONSTRAINT x, SET DEFAULT d",
        ),
        ("alter table t enable row level security", "ALTER TABLE t ENABLE ROW SECURITY"),
        ("alter table t attach partition p default", "ALTER TABLE t ATTACH PARTITION p"),
        ("alter table t rename column a to b", "ALTER TABLE t RENAME COLUMN a TO b"),
        ("alter type t rename to u", "ALTER TYPE t RENAME TO u"),
        ("drop table a.b, c", "DROP TABLE a.b, c"),
        ("drop trigger x on a.t", "DROP TRIGGER x ON a.t"),
        ("drop function f(int)", "DROP FUNCTION f"),
        ("drop type a.b", "DROP TYPE a.b"),
        ("drop schema x", "DROP SCHEMA x"),
        ("comment on column t.a is 'x'", "COMMENT ON COLUMN t.a"),
        ("comment on function f(int) is 'x'", "COMMENT ON FUNCTION f"),
        ("create type e as enum ('a')", "CREATE TYPE e"),
        ("alter type e add value 'b'", "ALTER TYPE e"),
        ("create or replace procedure p() language sql as ''", "CREATE PROCEDURE p"),
        ("create trigger x before insert on t execute function f()", "CREATE TRIGGER x ON t"),
        ("create materialized view v as select 1", "CREATE MATERIALIZED VIEW v"),
        ("with x as (select 1) insert into a.t select 1", "INSERT INTO a.t"),
        ("delete from t", "DELETE FROM t"),
        ("truncate a, b", "TRUNCATE a, b"),
        ("vacuum a", "VACUUM a"),
        ("analyze", "ANALYZE"),
        ("reindex schema s", "REINDEX SCHEMA s"),
        ("set local search_path = x", "SET LOCAL search_path"),
        ("create role x password 'secret'", "create role x password"),
        ("create /* why */ server x\n foreign data wrapper y", "create server x foreign data wrapper y"),
        ("select 1; drop table a; select 2", "3 statements: SELECT, DROP TABLE a, SELECT"),
    ],
)
def test_a_summary_says_what_a_statement_is_about(sql: str, expected: str) -> None:
    assert line_of(sql) == expected


def line_of(sql: str) -> str:
    found = parsed(sql)
    return summary([describe(each, sql.encode()) for each in found], len(found))


def test_a_summary_fits_on_a_line() -> None:
    sql = "; ".join(f"create table a_rather_long_name_{number} ()" for number in range(100))
    line = line_of(sql)
    assert line.startswith("100 statements: CREATE TABLE a_rather_long_name_0, ")
    assert len(line) <= 80
    assert line.endswith("…")
