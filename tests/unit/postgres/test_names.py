"""Which tables a migration makes, which it needs, and what reaches another database."""

from __future__ import annotations

import pytest

from seedbed.engines.postgres.files.parse import parse
from seedbed.engines.postgres.rules.names import foreign, named
from seedbed.model.migration import Migration, MigrationFile, Source
from seedbed.model.ownership import Mention


def read(sql: str, suffix: str = ".sql") -> Migration:
    text = f"-- migrate:up\n{sql}\n" if suffix == ".sql" else sql
    return parse(MigrationFile("1", "name", Source(f"1_name{suffix}", suffix, text.encode()), "checksum"))


@pytest.mark.parametrize(
    ("sql", "makes", "needs"),
    [
        ("CREATE TABLE a (id int REFERENCES users)", {"a"}, ["users"]),
        ("CREATE TABLE a (LIKE b) INHERITS (c)", {"a"}, ["b", "c"]),
        ("CREATE TABLE a (id int); ALTER TABLE a ADD x int; CREATE INDEX ON a (x)", {"a"}, []),
        ("CREATE TABLE public.a (id int); UPDATE a SET id = 1", {"a"}, []),
        ("CREATE SCHEMA s CREATE TABLE t (id int)", {"s.t"}, []),
        ("CREATE SCHEMA s; CREATE TABLE s.t (id int); DROP TABLE s.t", {"s.t"}, []),
        ("CREATE VIEW v AS SELECT * FROM a JOIN s.b USING (id)", {"v"}, ["a", "s.b"]),
        ("CREATE MATERIALIZED VIEW v AS SELECT * FROM a", {"v"}, ["a"]),
        ("CREATE TEMP TABLE t AS SELECT 1; INSERT INTO a SELECT * FROM t", {"t"}, ["a"]),
        ("SELECT * INTO t FROM a", {"t"}, ["a"]),
        ("CREATE FOREIGN TABLE f (id int) SERVER s", {"f"}, []),
        ("CREATE TYPE c AS (x int); ALTER TYPE c ADD ATTRIBUTE y int", {"c"}, []),
        ("ALTER TABLE a RENAME TO b; INSERT INTO b DEFAULT VALUES", {"b"}, ["a"]),
        ("ALTER TABLE a RENAME COLUMN x TO y", {"a"}, ["a"]),
        ("ALTER TABLE a SET SCHEMA s; SELECT 1 FROM s.a", {"s.a"}, ["a"]),
        ("ALTER TABLE p ATTACH PARTITION c FOR VALUES IN (1)", set(), ["c", "p"]),
        ("WITH u AS (SELECT 1) SELECT * FROM u, a x FOR UPDATE OF x", set(), ["a"]),
        ("MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE", set(), ["a", "b"]),
        ("DROP TABLE a; DROP TABLE IF EXISTS b; DROP INDEX i; DROP TYPE t", set(), ["a"]),
        ("TRUNCATE a; LOCK TABLE b; GRANT SELECT ON c TO r", set(), ["a", "b", "c"]),
        ("GRANT USAGE ON SEQUENCE q TO r; ALTER SEQUENCE q RESTART; CREATE SEQUENCE q", set(), []),
        ("ALTER INDEX i RENAME TO j; REINDEX INDEX i; REINDEX TABLE a; COMMENT ON TABLE a IS ''", set(), []),
        (
            "SELECT * FROM pg_class, pg_catalog.pg_type, information_schema.tables, generate_series(1, 2)",
            set(),
            [],
        ),
        ('INSERT INTO "Old \u00e4""x" VALUES (\'{"relname":"no"}\')', set(), ['Old \u00e4"x']),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM a'", set(), []),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT x FROM a; END", set(), ["a"]),
    ],
)
def test_tables_that_are_made_and_tables_that_are_needed(sql: str, makes: set[str], needs: list[str]) -> None:
    found = named(read(sql), ())
    assert found.makes == makes
    assert sorted(each.name for each in found.needs) == needs
    assert not found.hidden


def test_a_name_stands_for_a_table_in_a_schema_of_the_declared_path() -> None:
    migration = read("CREATE TABLE a (id int REFERENCES b); INSERT INTO app.c SELECT * FROM crm.d, public.e")
    found = named(migration, ("app", '"$user"', "public"))
    assert found.makes == {"app.a"}
    assert [(each.names, each.is_apart) for each in found.needs] == [
        (("app.b", "b"), False),
        (("app.c",), False),
        (("crm.d",), True),
        (("e",), False),
    ]


def test_each_name_has_the_line_of_its_statement() -> None:
    migration = read("CREATE TABLE a (id int);\n\nUPDATE b\nSET x = 1;\nDELETE FROM c")
    assert [(each.name, each.line) for each in named(migration, ()).needs] == [("b", 4), ("c", 6)]


def test_code_that_only_running_would_show_is_hidden() -> None:
    assert named(read("DO $$ BEGIN EXECUTE 'CREATE TABLE a ()'; END $$"), ()).hidden
    rows = named(read("# seedbed: backfill=a.id\ndef up(row):\n    return None\n", ".py"), ())
    assert [each.name for each in rows.needs] == ["a"]


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("CREATE EXTENSION postgres_fdw;\nCREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw", 3),
        ("SELECT * FROM dblink('dbname=users', 'SELECT 1') AS t (x int)", 2),
        ("SELECT public.dblink_exec('dbname=users', 'DELETE FROM users')", 2),
        ("CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p", 2),
    ],
)
def test_what_reaches_another_database_is_a_hazard(sql: str, line: int) -> None:
    section = "-- migrate:up transaction:false" if "SUBSCRIPTION" in sql else "-- migrate:up"
    file = Source("1_name.sql", ".sql", f"{section}\n{sql}\n".encode())
    (found,) = parse(MigrationFile("1", "name", file, "checksum")).hazards
    assert (found.code, found.line, found.refused) == ("PG101", line, False)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE SERVER s FOREIGN DATA WRAPPER file_fdw",
        "CREATE TABLE subscriptions (dblink text); SELECT dblink FROM subscriptions",
        "INSERT INTO a VALUES ('postgres_fdw', 'dblink(1)')",
        "CREATE EXTENSION dblink",
    ],
)
def test_what_only_looks_like_that_is_none(sql: str) -> None:
    assert not read(sql).hazards


def test_the_reason_says_whether_the_table_is_there() -> None:
    mention = Mention(("crm.users",), 4, is_apart=True)
    absent, there = (
        foreign(mention, "crm.users", "crm/postgres", is_there=is_there) for is_there in (False, True)
    )
    assert absent.what == there.what == "names crm.users, a table of crm/postgres"
    assert "not in this database" in absent.because
    assert "without a look" in there.because
