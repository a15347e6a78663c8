"""What has no place in a SQL seed, and what may stand in one of reference data."""

from __future__ import annotations

import pytest

from seedbed.engines.postgres.files.grammar import parse
from seedbed.engines.postgres.rules import seeds
from seedbed.engines.postgres.store import ownership


def refused(text: str, *, rows_only: bool = True) -> str:
    """Return why the first statement that has no place has none; empty where all have."""
    for each in parse(text.encode()):
        if found := seeds.refusal(each, "the statement", "seedbed", rows_only=rows_only):
            return found.what
    return ""


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO roles (id, name) VALUES (1, 'seedbed') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
        "UPDATE shop.roles SET name = upper(name), at = now() WHERE id IN (SELECT id FROM information_schema.x)",
        "DELETE FROM roles USING other WHERE roles.id = other.id",
        "MERGE INTO roles USING new ON roles.id = new.id WHEN MATCHED THEN DELETE",
        "SELECT setval('roles_id_seq', (SELECT max(id) FROM roles))",
        "SELECT pg_catalog.setval(pg_get_serial_sequence('roles', 'id'), 7)",
        "WITH gone AS (DELETE FROM old RETURNING *) INSERT INTO roles SELECT id, crypt(name, gen_salt('bf')) FROM gone",
        "INSERT INTO seeds (seedbed) SELECT s.seedbed FROM seeds AS s",
        "INSERT INTO public.pg_notes SELECT relname FROM pg_class",
        "INSERT INTO notes (about) VALUES ('migrations_history')",
    ],
)
def test_statements_that_change_rows_have_their_place_in_reference_data(text: str) -> None:
    assert refused(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (id int)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE t ADD COLUMN n int",
        "DROP TABLE t",
        "TRUNCATE t",
        "DO $$ BEGIN NULL; END $$",
        "CALL p()",
        "GRANT ALL ON t TO PUBLIC",
        "SET ROLE pg_monitor",
        "SELECT 1 INTO t",
        "COPY t FROM '/etc/passwd'",
        "COPY t FROM PROGRAM 'id'",
        "LOCK TABLE t",
        "CREATE TABLE t AS SELECT 1",
        "ALTER ROLE ana SUPERUSER",
        "EXPLAIN ANALYZE DELETE FROM t",
        "PREPARE p AS DELETE FROM t",
        "NOTIFY x",
        "SELECT set_config('role', 'ana', false)",
        "INSERT INTO t SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_catalog.pg_terminate_backend(7)",
        "SELECT query_to_xml('DROP TABLE t', true, true, '')",
        "INSERT INTO t SELECT * FROM dblink_exec('host=x', 'DROP TABLE t')",
        "UPDATE t SET n = lo_import('/etc/passwd')",
        "SELECT pg_advisory_lock(1)",
        "DELETE FROM pg_catalog.pg_class",
        "WITH x AS (UPDATE information_schema.sql_parts SET comments = '') SELECT 1",
        "UPDATE pg_settings SET setting = 'on' WHERE name = 'allow_system_table_mods'",
        "UPDATE pg_authid SET rolsuper = true",
        "WITH x AS (DELETE FROM pg_class RETURNING 1) SELECT 1",
        "MERGE INTO pg_settings AS s USING t ON true WHEN MATCHED THEN UPDATE SET setting = 'x'",
        "SELECT cron.schedule('x', '* * * * *', 'DROP TABLE t')",
        "INSERT INTO cron.job (schedule, command) VALUES ('* * * * *', 'DROP TABLE t')",
        "SELECT aws_s3.query_export_to_s3('SELECT * FROM users', 'x')",
        "SELECT aws_lambda.invoke('x', '{}')",
    ],
)
def test_whatever_reaches_further_than_rows_has_none(text: str) -> None:
    assert refused(text) != ""


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM seedbed.migrations_identity",
        "INSERT INTO t SELECT * FROM seedbed.migrations_history",
        "UPDATE t SET n = 1 FROM seedbed.migrations_audit",
        "WITH x AS (DELETE FROM seedbed.migrations_history RETURNING 1) SELECT 1",
        "TRUNCATE t, seedbed.migrations_history",
        "DROP SCHEMA seedbed CASCADE",
        "DROP TABLE seedbed.migrations_history",
        "ALTER TABLE seedbed.migrations_history RENAME TO x",
        "ALTER SCHEMA seedbed RENAME TO x",
        "ALTER SCHEMA seedbed OWNER TO ana",
        "GRANT ALL ON SCHEMA seedbed TO PUBLIC",
        "GRANT ALL ON ALL TABLES IN SCHEMA seedbed TO PUBLIC",
        "COMMENT ON SCHEMA seedbed IS 'x'",
        "CREATE TABLE seedbed.t (id int)",
        "CREATE FUNCTION seedbed.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TRIGGER t BEFORE INSERT ON seedbed.migrations_history EXECUTE FUNCTION f()",
        "ALTER TABLE t SET SCHEMA seedbed",
        "SELECT seedbed.f()",
        "CREATE VIEW v AS SELECT * FROM seedbed.migrations_history",
        "UPDATE migrations_identity SET environment = 'dev-x'",
        "DELETE FROM history_of_shop.migrations_history",
        "DROP TABLE history_of_shop.migrations_audit",
    ],
)
def test_no_seed_of_any_kind_names_the_history_s_schema(text: str) -> None:
    assert "belongs to seedbed" in refused(text, rows_only=False)


@pytest.mark.parametrize("table", ownership.TABLES)
def test_every_table_of_the_history_is_known_by_its_name(table: str) -> None:
    assert "belongs to seedbed" in refused(f"DELETE FROM elsewhere.{table}", rows_only=False)


def test_a_fixture_may_do_what_a_migration_may() -> None:
    assert refused("CREATE TABLE t (id int); TRUNCATE t; DO $$ BEGIN NULL; END $$", rows_only=False) == ""


def test_large_inserts_are_not_read_as_a_whole() -> None:
    (statement,) = parse(b"INSERT INTO t VALUES " + b", ".join(b"(1, 'a')" for _ in range(1000)))
    assert seeds.refusal(statement, "", "seedbed", rows_only=True) is None
    assert statement._node is None
