"""What of a migration reaches beyond its own database, and is refused on the server of a base."""

from __future__ import annotations

import pytest

from seedbed.engines.postgres.engine import PostgresEngine
from seedbed.engines.postgres.files.parse import parse
from seedbed.engines.postgres.options import Options
from seedbed.model.migration import MigrationFile, Source


def found(sql: str) -> list[tuple[str, int]]:
    alone = " transaction:false" if sql.startswith(("ALTER SYSTEM", "CREATE SUBSCRIPTION")) else ""
    text = f"-- migrate:up{alone}\n{sql}\n"
    migration = parse(MigrationFile("1", "name", Source("1_name.sql", ".sql", text.encode()), "checksum"))
    hazards = PostgresEngine().sharing_hazards(migration, Options())
    assert all(each.in_base and not each.refused for each in hazards)
    return [(each.code, each.line) for each in hazards]


@pytest.mark.parametrize(
    ("sql", "codes"),
    [
        ("CREATE ROLE x; ALTER USER y SET a = 'b'", ["PG301", "PG301"]),
        (
            "GRANT a TO b; DROP ROLE IF EXISTS x; REASSIGN OWNED BY a TO b; DROP OWNED BY CURRENT_USER",
            ["PG301"] * 4,
        ),
        ("ALTER ROLE x RENAME TO y", ["PG301"]),
        ("COMMENT ON ROLE x IS 'y'", ["PG301"]),
        ("GRANT SELECT ON t TO user_db_app", ["PG302"]),
        ("GRANT SELECT ON t TO a; REVOKE ALL ON t FROM b", ["PG302"] * 2),
        ("ALTER TABLE t OWNER TO me", ["PG302"]),
        ("CREATE SCHEMA s AUTHORIZATION me", ["PG302"]),
        ("CREATE POLICY p ON t TO app", ["PG302"]),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app", ["PG302"]),
        ("ALTER SYSTEM SET work_mem = '1MB'", ["PG303"]),
        ("ALTER DATABASE user_db SET search_path = s", ["PG303"]),
        ("GRANT CONNECT ON DATABASE user_db TO CURRENT_USER", ["PG303"]),
        ("COMMENT ON DATABASE user_db IS ''", ["PG303"]),
        ("CREATE TABLE t (id int) TABLESPACE fast", ["PG303"]),
        ("CREATE INDEX i ON t (id) TABLESPACE fast", ["PG303"]),
        ("ALTER TABLE t SET TABLESPACE fast", ["PG303"]),
        ("CREATE EXTENSION postgis", ["PG304"]),
        ("CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()", ["PG304"]),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", ["PG304"]),
        ("COPY t FROM PROGRAM 'x'; COPY t FROM '/x'", ["PG304"] * 2),
        ("SELECT cron.schedule('a', 'b', 'c')", ["PG305"]),
        ("UPDATE cron.job SET active = false", ["PG305"]),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity", ["PG305"]),
        ("SELECT pg_catalog.pg_create_logical_replication_slot('a', 'b')", ["PG305"]),
        ("DO $$ BEGIN IF true THEN CREATE  ROLE x; END IF; END $$", ["PG301"]),
        ("DO $$ BEGIN EXECUTE 'ALTER SYSTEM RESET ALL'; END $$", ["PG303"]),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM cron.unschedule(1); END $$",
            ["PG305"],
        ),
    ],
)
def test_what_reaches_beyond_the_database_has_a_code(sql: str, codes: list[str]) -> None:
    assert [code for code, _ in found(sql)] == codes


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE users (id int, role text, database text)",
        "GRANT SELECT ON t TO CURRENT_USER, PUBLIC, pg_monitor; ALTER TABLE t OWNER TO SESSION_USER",
        "CREATE EXTENSION citext; CREATE EXTENSION IF NOT EXISTS vector",
        "CREATE INDEX i ON t (id) TABLESPACE pg_default",
        "DO $$ BEGIN EXECUTE format('REVOKE ALL ON t FROM %I', current_database() || '_app'); END $$",
        "DO $$ BEGIN -- we do not CREATE ROLE here\n PERFORM 1; END $$",
        "CREATE USER MAPPING FOR CURRENT_USER SERVER s",
        "COMMENT ON TABLE t IS 'which role and group a user has'",
        "SELECT pg_advisory_xact_lock(1), setval(pg_get_serial_sequence('t', 'id'), 1)",
        "ALTER TABLE t RENAME COLUMN role TO grant_of; CREATE TRIGGER cron BEFORE UPDATE ON t EXECUTE FUNCTION f()",
    ],
)
def test_what_stays_in_the_database_has_none(sql: str) -> None:
    assert found(sql) == []


def test_each_is_told_once_for_a_statement_with_its_line() -> None:
    assert found("SELECT 1;\n\nGRANT SELECT ON t TO a, b;\nCREATE ROLE c;") == [("PG302", 4), ("PG301", 5)]


def test_functions_over_rows_are_no_sql() -> None:
    text = b"# seedbed: backfill=t.id\n\n\ndef up(row):\n    return {'role': 'user'}\n"
    migration = parse(MigrationFile("1", "name", Source("1_name.py", ".py", text), "checksum"))
    assert PostgresEngine().sharing_hazards(migration, Options()) == ()
