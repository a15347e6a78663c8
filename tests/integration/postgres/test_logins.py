"""The logins that seedbed makes: its own and the application's, their rights and their passwords."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.support.postgres.wire import HERE, connected, tcp_server
from tests.support.projects import ProjectFiles, Ran, run

CANARIES = {"admin": "canary-a-1f9c", "migrate": "canary-m-1f9c", "app": "canary-p-1f9c"}
HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server that asks for passwords, logs what defines things and keeps what it was sent."""
    settings = {"log_statement": "ddl", "shared_preload_libraries": "pg_stat_statements"}
    with tcp_server(**settings) as found:
        (found.data_directory / "pg_hba.conf").write_text(HBA)
        with connected(found, "postgres") as connection:
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE EXTENSION pg_stat_statements")
            for name in ("rds", "boss"):  # RDS's master is no superuser
                attributes = "CREATEDB CREATEROLE" if name == "rds" else "SUPERUSER"
                password = CANARIES["admin"]
                connection.execute(f"CREATE ROLE {name} LOGIN {attributes} PASSWORD '{password}'".encode())
        yield found


@dataclass
class Site:
    """A project with a table, a database of the administrator's, and the variables that name the logins."""

    files: ProjectFiles
    server: EmbeddedServer
    admin: str
    name: str = field(default_factory=lambda: f"d{next(_numbers)}_db")

    def __post_init__(self) -> None:
        with connected(self.server, "postgres") as connection:
            connection.execute(f"CREATE DATABASE {self.name} OWNER {self.admin}".encode())
        self.files.tables(1)
        self.passwords = dict(CANARIES)

    @property
    def migrate(self) -> str:
        return f"{self.name}_migrate"

    @property
    def app(self) -> str:
        return f"{self.name}_app"

    @property
    def env(self) -> dict[str, str]:
        return {
            "DB_HOST": HERE,
            "DB_PORT": str(self.server.port),
            "DB_NAME": self.name,
            "DB_USER": self.migrate,
            "DB_PASSWORD": self.passwords["migrate"],
            "DB_ADMIN_USER": self.admin,
            "DB_ADMIN_PASSWORD": self.passwords["admin"],
            "DB_APP_USER": self.app,
            "DB_APP_PASSWORD": self.passwords["app"],
        }

    @property
    def as_master(self) -> dict[str, str]:
        """The variables of a task that knows the administrator alone, as all did before there were other logins."""
        few = {key: value for key, value in self.env.items() if "_ADMIN_" not in key and "_APP_" not in key}
        return {**few, "DB_USER": self.admin, "DB_PASSWORD": self.passwords["admin"]}

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ran:
        ran = run(self.files.root, *arguments, "-e", "staging", env=env or self.env)
        assert not [each for each in CANARIES.values() if each in ran.everything], "a password was told"
        return ran

    def apply(self, *, env: Mapping[str, str] | None = None) -> str:
        ran = self.run("apply", env=env)
        assert ran.code == 0, ran.everything
        return ran.everything

    @contextmanager
    def login(self, which: str) -> Iterator[psycopg.Connection]:
        """Yield a session of one of the logins, with its password."""
        user = {"admin": self.admin, "migrate": self.migrate, "app": self.app}[which]
        keywords = {"host": HERE, "port": self.server.port, "dbname": self.name, "user": user}
        with psycopg.connect(**keywords, password=self.passwords[which], autocommit=True) as connection:  # type: ignore[arg-type]
            yield connection

    def can(self, which: str, *statements: str) -> None:
        with self.login(which) as connection:
            for each in statements:
                connection.execute(each.encode())

    def cannot(self, which: str, *statements: str) -> None:
        with self.login(which) as connection:
            for each in statements:
                try:
                    connection.execute(each.encode())
                except psycopg.errors.InsufficientPrivilege:
                    continue
                pytest.fail(f"{which} can: {each}")


@pytest.fixture(params=["rds", "boss"])
def site(request: pytest.FixtureRequest, files: ProjectFiles, server: EmbeddedServer) -> Site:
    return Site(files, server, request.param)


@pytest.fixture
def rds(files: ProjectFiles, server: EmbeddedServer) -> Site:
    """A site whose administrator is like RDS's."""
    return Site(files, server, "rds")


DATA = (
    "INSERT INTO {table} VALUES (1)",
    "UPDATE {table} SET id = 2",
    "SELECT id FROM {table}",
    "DELETE FROM {table}",
)
HISTORY = (
    "SELECT * FROM seedbed.migrations_history",
    "DELETE FROM seedbed.migrations_history",
    "INSERT INTO seedbed.migrations_identity (format, platform, database, environment) VALUES (1, '', '', '')",
    "DROP TABLE seedbed.migrations_audit",
    "CREATE TABLE seedbed.mine ()",
    "DROP SCHEMA seedbed CASCADE",
)


def test_the_application_reads_and_writes_its_tables_also_those_of_the_next_migration_and_changes_no_schema(
    site: Site,
) -> None:
    site.apply()
    site.can("app", *(each.format(table="t1") for each in DATA))
    site.files.migration(
        "20260101000005_more",
        "CREATE SCHEMA billing; CREATE TABLE billing.bills (id bigserial PRIMARY KEY, note text);"
        "CREATE VIEW billing.notes AS SELECT note FROM billing.bills;"
        "CREATE FUNCTION billing.twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';"
        "CREATE TYPE billing.kind AS ENUM ('a'); CREATE SEQUENCE billing.numbers;",
    )
    site.apply()
    site.can(
        "app",
        "INSERT INTO billing.bills (note) VALUES ('x')",
        "SELECT nextval('billing.numbers'), billing.twice(2), 'a'::billing.kind, note FROM billing.notes",
        "UPDATE billing.bills SET note = 'y'",
        "DELETE FROM billing.bills",
    )
    refused = (
        "CREATE TABLE mine ()",
        "CREATE TEMPORARY TABLE mine ()",
        "CREATE TABLE billing.mine ()",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE EXTENSION citext",
        "ALTER TABLE t1 ADD COLUMN mine int",
        "ALTER TABLE billing.bills OWNER TO CURRENT_USER",
        "CREATE INDEX ON t1 (id)",
        "DROP TABLE t1",
        "TRUNCATE t1",
        f"SET ROLE {site.migrate}",
        f"ALTER ROLE {site.migrate} PASSWORD 'x'",
        f"ALTER DATABASE {site.name} OWNER TO {site.app}",
    )
    site.cannot("app", *refused, *HISTORY)


def test_what_is_made_belongs_to_seedbed_s_login_and_the_administrator_may_go_on(site: Site) -> None:
    site.apply()
    with connected(site.server, site.name) as connection:
        owners = connection.execute(
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace "
            "WHERE nspname IN ('public', 'seedbed') UNION SELECT pg_get_userbyid(datdba) FROM pg_database "
            "WHERE datname = current_database()"
        ).fetchall()
    assert owners == [(site.migrate,)]
    site.can("admin", *(each.format(table="t1") for each in DATA), "ALTER TABLE t1 ADD COLUMN note text")


def test_plan_and_status_tell_what_logins_lack_and_change_nothing(rds: Site) -> None:
    planned = rds.run("plan")
    assert planned.code == 0, planned.everything
    assert f"make the login {rds.migrate}" in planned.everything
    assert f"let {rds.app} read and write what {rds.migrate} makes" in planned.everything
    (entry,) = rds.run("status", "--json").document["databases"]
    assert f"make the login {rds.app}" in entry["logins"]
    with connected(rds.server, "postgres") as connection:
        assert not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [rds.app]).rowcount
    told = rds.apply()
    assert f"make the login {rds.app}" in told
    assert "login" not in rds.apply()
    (entry,) = rds.run("status", "--json").document["databases"]
    assert (entry["logins"], entry["up_to_date"]) == ([], True)
    assert rds.run("plan", "--exit-code").code == 0


def test_a_secret_that_changed_is_noticed_and_set_and_the_old_password_is_refused(rds: Site) -> None:
    rds.apply()
    rds.passwords |= {"migrate": "canary-m-1f9c-new", "app": "canary-p-1f9c-new"}
    planned = rds.run("plan").everything
    for each in (rds.migrate, rds.app):
        assert f"set the password of {each}" in planned
    assert rds.run("plan", "--exit-code").code == 6
    told = rds.apply()
    assert f"set the password of {rds.app}" in told
    rds.can("app", "SELECT id FROM t1")
    rds.passwords["app"] = CANARIES["app"]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"), rds.login("app"):
        pass


def test_no_password_is_sent_logged_or_kept_by_the_server(rds: Site) -> None:
    rds.apply()
    rds.passwords["app"] = "canary-p-1f9c-new"
    rds.apply()
    rds.passwords["admin"] = "canary-a-1f9c-wrong"
    rds.passwords["migrate"] = "canary-m-1f9c-wrong"
    ran = rds.run("apply")
    assert ran.code == 3
    assert "check DB_ADMIN_USER and DB_ADMIN_PASSWORD" in ran.everything
    with connected(rds.server, "postgres") as connection:
        rows = connection.execute("SELECT query FROM pg_stat_statements").fetchall()
    kept = "\n".join(query for (query,) in rows)
    log = "\n".join(each.read_text(errors="replace") for each in logs(rds.server))
    for text in (kept, log):
        assert f'CREATE ROLE "{rds.app}"' in text  # it is there
        assert f'ALTER ROLE "{rds.app}" PASSWORD' in text
        assert "canary-m" not in text
        assert "canary-p" not in text


def logs(server: EmbeddedServer) -> list[Path]:
    found = [each for each in server.data_directory.parent.rglob("*log*") if each.is_file()]
    assert found
    return found


def old_database(site: Site) -> None:
    """Have the administrator make what a database has that was never told of other logins."""
    site.files.migration(
        "20260101000002_old",
        "CREATE SCHEMA shop; CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY, no serial);"
        "CREATE TYPE shop.kind AS ENUM ('a'); CREATE DOMAIN shop.cents AS bigint; CREATE TYPE shop.pair AS (a int);"
        "CREATE TYPE shop.span AS RANGE (subtype = int); CREATE SEQUENCE shop.numbers;"
        "CREATE VIEW shop.open AS SELECT id FROM shop.orders; CREATE MATERIALIZED VIEW shop.all AS SELECT 1 AS n;"
        "CREATE TABLE shop.parts (id int) PARTITION BY LIST (id);"
        "CREATE TABLE shop.part PARTITION OF shop.parts FOR VALUES IN (1);"
        "CREATE FUNCTION shop.one() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE PROCEDURE shop.go() LANGUAGE sql AS 'SELECT 1';"
        "CREATE AGGREGATE shop.total (int) (SFUNC = int4pl, STYPE = int);"
        "CREATE STATISTICS shop.known ON id, no FROM shop.orders;"
        'CREATE TABLE "Odd ""name""" (id int);',
    )
    site.apply(env=site.as_master)


def test_an_existing_database_is_handed_over_while_the_old_login_goes_on(site: Site) -> None:
    old_database(site)
    done, failed = threading.Event(), []
    with site.login("admin") as old:

        def work() -> None:
            try:
                while not done.is_set():
                    old.execute("INSERT INTO shop.orders DEFAULT VALUES")
            except psycopg.Error as error:
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        told = site.apply()
        done.set()
        thread.join()
    assert not failed
    assert f"objects to {site.migrate}" in told
    site.can(
        "app",
        "INSERT INTO shop.orders DEFAULT VALUES",
        "SELECT id, nextval('shop.numbers'), shop.one() FROM shop.open, shop.all",
        'INSERT INTO "Odd ""name""" VALUES (1)',
        "INSERT INTO shop.parts VALUES (1)",
    )
    site.cannot("app", "ALTER TABLE shop.orders ADD COLUMN x int", "DROP VIEW shop.open", *HISTORY)
    with connected(site.server, site.name) as connection:
        left = connection.execute(
            "SELECT classid::regclass, objid FROM pg_shdepend WHERE refobjid = %s::regrole AND deptype = 'o' "
            "AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objid NOT IN "
            "(SELECT oid FROM pg_type WHERE typtype = 'm')",  # before version 18 a multirange stays where it was
            [site.admin],
        ).fetchall()
    assert not left
    site.files.migration(
        "20260101000003_next", "ALTER TABLE shop.orders ADD COLUMN note text; DROP TABLE t1;"
    )
    site.apply()
    assert "nothing to do" in site.run("plan").everything


def test_a_hand_over_that_gave_way_to_a_lock_goes_on_where_it_stood(rds: Site) -> None:
    old_database(rds)
    text = (rds.files.root / "seedbed.toml").read_text()
    quick = '[services.user.postgres]\nlock_timeout = "100ms"\nlock_retries = 0\n'
    (rds.files.root / "seedbed.toml").write_text(text.replace("[services.user.postgres]\n", quick))
    with rds.login("admin") as reader, reader.transaction():
        reader.execute("LOCK TABLE shop.orders IN ACCESS SHARE MODE")
        ran = rds.run("apply")
        assert ran.code == 5, ran.everything
        assert "table shop.orders cannot be handed to" in ran.everything
        assert f"make the login {rds.app}" in ran.everything  # and stays made
    planned = rds.run("plan").everything
    assert f"make the login {rds.app}" not in planned
    assert f"objects to {rds.migrate}" in planned
    rds.apply()
    rds.can("app", "INSERT INTO shop.orders DEFAULT VALUES")


def test_two_first_applies_at_once_make_the_logins_once(rds: Site) -> None:
    ran: list[Ran] = []
    threads = [threading.Thread(target=lambda: ran.append(rds.run("apply"))) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.code for each in ran] == [0, 0], [each.everything for each in ran]
    assert sum("make the login" in each.everything for each in ran) == 1
    rds.can("app", "SELECT id FROM t1")


def test_public_may_create_nothing_in_a_database_that_an_older_server_made(rds: Site) -> None:
    with connected(rds.server, rds.name) as connection:  # as every database was before version 15
        connection.execute("ALTER SCHEMA public OWNER TO rds; GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert "take CREATE on schema public from PUBLIC" in rds.apply()
    rds.cannot("app", "CREATE TABLE mine ()")
    rds.files.tables(1, first=2)
    rds.apply()


def test_what_a_migration_takes_from_the_application_stays_taken(rds: Site) -> None:
    rds.apply()
    rds.files.migration("20260101000006_close", f"REVOKE ALL ON t1 FROM {rds.app};")
    rds.apply()
    rds.apply()
    rds.cannot("app", "SELECT id FROM t1")


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        ("CREATEROLE", "it may make roles"),
        ("IN ROLE pg_write_all_data, pg_monitor", "it is a member of pg_write_all_data,"),
    ],
)
def test_an_application_s_login_with_an_administrator_s_rights_is_refused_and_nothing_is_made(
    rds: Site, rights: str, said: str
) -> None:
    with connected(rds.server, rds.name) as connection:
        connection.execute(f"CREATE ROLE {rds.app} LOGIN {rights}".encode())
    ran = rds.run("apply")
    assert ran.code == 3
    assert f"cannot have the login {rds.app}" in ran.everything
    assert said in ran.everything
    with connected(rds.server, rds.name) as connection:
        assert not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [rds.migrate]).rowcount


def test_an_extension_that_only_an_administrator_may_make_is_made_with_the_logins(
    files: ProjectFiles, server: EmbeddedServer
) -> None:
    site = Site(files, server, "boss")
    text = (files.root / "seedbed.toml").read_text()
    section = "[services.user.postgres]\n"
    (files.root / "seedbed.toml").write_text(text.replace(section, f'{section}extensions = ["dblink"]\n'))
    files.migration("20260101000007_need", "CREATE EXTENSION IF NOT EXISTS dblink;")
    assert "make the extension dblink" in site.apply()
    assert "nothing to do" in site.run("plan").everything


def test_every_verb_goes_on_as_seedbed_s_own_login(rds: Site) -> None:
    rds.files.seed("t1.csv", "id\n7\n")
    rds.apply()
    rds.passwords["migrate"] = "canary-m-1f9c-new"  # a seed notices it as well
    seeded = rds.run("seed")
    assert seeded.code == 0, seeded.everything
    assert rds.run("revert", "--yes").code == 0
    rds.apply()
    ran = run(rds.files.root, "status", "-e", "staging", env=rds.env)
    assert f"{rds.migrate}@" in ran.everything


def test_without_an_administrator_everything_is_as_it_was(rds: Site) -> None:
    rds.apply(env=rds.as_master)
    with connected(rds.server, rds.name) as connection:
        found = connection.execute("SELECT FROM pg_roles WHERE rolname LIKE %s", [f"{rds.name}%"])
        assert not found.rowcount
    incomplete = {key: value for key, value in rds.env.items() if key != "DB_APP_PASSWORD"}
    ran = rds.run("apply", env=incomplete)
    assert ran.code == 2
    assert "DB_APP_PASSWORD" in ran.everything
