"""What a server counts of the use of tables, columns and indexes that a contract removes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePath

import psycopg
import pytest

from seedbed.engines.postgres import engine
from seedbed.engines.postgres.options import Options
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.usage import SupportsUsage
from seedbed.model.migration import Migration, MigrationFile, Source, checksum
from seedbed.model.platform import Database
from seedbed.model.usage import Removed, Usage
from seedbed.planning.usage import Use, judged
from tests.support.postgres.wire import connected, target, tcp_server
from tests.support.projects import ProjectFiles, run, variables

COMMIT = "abcdef0123456789"
DATABASE = Database("user", "postgres", PurePath("."), Options())
TABLES = """
CREATE TABLE users (id int PRIMARY KEY, name text, legacy text);
CREATE INDEX users_name ON users (name);
CREATE UNIQUE INDEX users_legacy ON users (legacy);
CREATE TABLE old (id int) PARTITION BY RANGE (id);
CREATE TABLE old_1 PARTITION OF old FOR VALUES FROM (0) TO (10);
CREATE VIEW names AS SELECT name FROM users;
INSERT INTO users SELECT n, n, n FROM generate_series(1, 9) n;
ANALYZE;
"""
CONTRACT = """-- migrate:up
{}
"""


def migration(text: str) -> Migration:
    source = Source("migrations/1_contract.sql", ".sql", CONTRACT.format(text).encode())
    return engine.parse(MigrationFile("1", "contract", source, checksum(source.data)))


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with tcp_server(shared_preload_libraries="pg_stat_statements") as found:
        yield found


class Shop:
    """A database that an application uses under a name of its own."""

    def __init__(self, server: EmbeddedServer, application: psycopg.Connection, name: str) -> None:
        self.server, self.application, self.name = server, application, name

    def use(self, *statements: str) -> None:
        for each in statements:
            self.application.execute(each.encode())
        self.application.execute("SELECT pg_stat_force_next_flush()")
        self.application.execute("SELECT 1")

    def look(self, text: str, **settings: str) -> Usage:
        address = engine.address({**self.server.settings_of(self.name), **settings}, Options())
        with engine.connect(target(address)) as session:
            assert isinstance(session, SupportsUsage)
            return session.usage(engine.removals(migration(text), DATABASE))

    def judge(self, text: str, *statements: str) -> Use:
        before = self.look(text)
        self.use(*statements)
        return judged([(before, self.look(text))], COMMIT)


@pytest.fixture(scope="module")
def shop(server: EmbeddedServer) -> Iterator[Shop]:
    """One for all: what is judged is what a test itself does between two looks."""
    name = "usage"
    server.ensure_database(name)
    with connected(server, name, application_name="shop@abcdef0") as application:
        application.execute(b"CREATE EXTENSION pg_stat_statements")
        application.execute(TABLES.encode())
        application.execute("SELECT pg_stat_force_next_flush()")
        application.execute("SELECT 1")
        yield Shop(server, application, name)


DROP = "DROP TABLE old;"
COLUMN = "ALTER TABLE users DROP COLUMN legacy;"
RENAME = "ALTER TABLE users RENAME COLUMN legacy TO nickname;"
INDEX = "DROP INDEX users_name;"
VIEW = "DROP VIEW names;"
FORCED = "SET enable_seqscan = off"


@pytest.mark.parametrize(
    ("text", "statement", "verdict"),
    [
        (DROP, "SELECT 1", "none"),
        (DROP, "SELECT * FROM old", "some"),
        (DROP, "INSERT INTO old VALUES (1)", "some"),
        (COLUMN, "SELECT name FROM users", "none"),
        (COLUMN, "SELECT name FROM users WHERE legacy = '1'", "some"),
        (COLUMN, "SELECT * FROM users", "unknown"),
        (RENAME, "UPDATE users SET legacy = '7' WHERE id = 7", "some"),
        (INDEX, "SELECT id FROM users WHERE id = 1", "none"),
        (INDEX, "SELECT id FROM users WHERE name = '1'", "some"),
        ("DROP INDEX users_legacy;", "SELECT 1", "unknown"),
        (VIEW, "SELECT name FROM users", "none"),
        (VIEW, "SELECT name FROM names", "some"),
        ("ALTER TABLE users ALTER COLUMN name SET NOT NULL;", "SELECT * FROM users", "none"),
        ("ALTER TABLE users DROP CONSTRAINT users_pkey;", "SELECT 1", "unknown"),
        ("DO $$ BEGIN DROP TABLE old; END $$;", "SELECT 1", "unknown"),
        ("DROP TABLE IF EXISTS never;", "SELECT 1", "unknown"),
    ],
)
def test_a_use_of_what_goes_is_counted(shop: Shop, text: str, statement: str, verdict: str) -> None:
    use = shop.judge(text, FORCED, statement)
    assert use.verdict == verdict, use


def test_looking_is_no_use(shop: Shop) -> None:
    text = DROP + COLUMN + INDEX + VIEW
    first = shop.look(text)
    shop.look(text)
    assert judged([(first, shop.look(text))], COMMIT).verdict == "none"


@pytest.mark.parametrize("reset", ["pg_stat_reset()", "pg_stat_statements_reset()"])
def test_a_reset_in_between_hides_what_was_read_before_it(shop: Shop, reset: str) -> None:
    text = DROP if reset == "pg_stat_reset()" else COLUMN
    use = shop.judge(text, "SELECT legacy FROM users", "SELECT * FROM old", f"SELECT {reset}")
    assert use.verdict == "unknown"
    assert "counting began anew" in use.text


def test_a_client_of_another_commit_is_a_reader(shop: Shop) -> None:
    with connected(shop.server, shop.name, application_name="shop@1234567"):
        use = shop.judge(DROP)
    assert use == Use("some", "shop@1234567 is connected")


def test_a_login_that_sees_no_statements_of_others_knows_nothing_of_a_column(shop: Shop) -> None:
    shop.application.execute(b"CREATE ROLE looker LOGIN")
    look = shop.look(COLUMN + DROP, user="looker")
    column, table = look.counters
    assert column.removed == Removed("column", ("users", "legacy"))
    assert "pg_read_all_stats" in column.blind
    assert not table.blind
    assert look.clients == ("shop@abcdef0",)


def test_without_the_extension_a_column_is_unknown(shop: Shop) -> None:
    shop.application.execute(b"DROP EXTENSION pg_stat_statements")
    try:
        use = shop.judge(COLUMN)
    finally:
        shop.application.execute(b"CREATE EXTENSION pg_stat_statements")
    assert use.verdict == "unknown"
    assert "pg_stat_statements is not in the database" in use.text


def test_a_replica_counts_for_itself(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from seedbed.engines.postgres.running import usage

    monkeypatch.setattr(
        usage, "_COUNTING", usage._COUNTING.replace("(SELECT count(*) FROM pg_stat_replication)", "1")
    )
    assert "replicas" in shop.judge(DROP).text
    assert shop.judge(DROP, "SELECT * FROM old").verdict == "some"


def test_the_command_shows_what_goes_and_how_often_it_was_used(shop: Shop, files: ProjectFiles) -> None:
    files.manifest(["user"], "")
    files.migration("20260101000001_make", "CREATE TABLE things (id int); CREATE INDEX by_id ON things (id);")
    files.migration("20260101000002_drop", "DROP INDEX by_id;", directives="phase=contract")
    env = variables(shop.server, shop.name, "USER_")
    assert run(files.root, "apply", "-e", "staging", "--through", "migrate", env=env).code == 0
    shown = run(files.root, "verify", "-e", "staging", "--usage", "--json", env=env)
    assert shown.code == 0, shown.everything
    (database,) = json.loads(shown.out)["databases"]
    assert database["clients"] == ["shop@abcdef0"]
    (counter,) = database["counters"]
    assert (counter["kind"], counter["path"], counter["uses"]) == ("index", ["by_id"], 0)
    alone = run(files.root, "verify", "-e", "staging", "--usage", "--history", env=env)
    assert alone.code == 2
    assert "--usage stands alone" in alone.err
