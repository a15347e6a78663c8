"""The lease: one run at a time, who waits for whom, what becomes of a killed run; and what a session never inherits."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from seedbed.engines.postgres.address import address
from seedbed.engines.postgres.options import Options
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.session import PostgresSession, connect
from seedbed.engines.postgres.store import advisory_lock
from seedbed.errors import Busy, StalePlan, Unreachable
from seedbed.model.event import Event, LeaseAwaited, TakenOver
from seedbed.model.history import Identity, Owner
from seedbed.model.migration import Migration, Phase, Step, Work
from tests.support.postgres.wire import connected, role, target, wait_until
from tests.support.projects import ProjectFiles, Ran, clean_environment, run, start, variables

SLEEP = "20260101000001_sleep"


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def site(files: ProjectFiles, postgres_server: EmbeddedServer, database: str) -> Site:
    return Site(files, postgres_server, database)


class Site:
    """A project, and the one database that it migrates."""

    def __init__(self, files: ProjectFiles, server: EmbeddedServer, database: str) -> None:
        self.files, self.server, self.database = files, server, database
        self.env = variables(server, database)

    def apply(self, *more: str) -> Ran:
        return self.run("apply", "-e", "dev-ana", *more)

    def run(self, *arguments: str) -> Ran:
        return run(self.files.root, *arguments, env=self.env)

    @contextmanager
    def applying(self, *more: str) -> Iterator[subprocess.Popen[str]]:
        """Start an apply and do not wait for it; it is killed at the end if it still runs."""
        given = ("apply", "-e", "dev-ana", *more)
        with start(self.files.root, *given, env=clean_environment(self.env)) as process:
            try:
                yield process
            finally:
                process.kill()

    def ask(self, query: str) -> object:
        """Return the first value of the answer."""
        with connected(self.server, self.database) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def is_asleep(self) -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        return self.ask(query) == 1


@contextmanager
def session(server: EmbeddedServer, database: str, **options: str) -> Iterator[PostgresSession]:
    dsn = server.dsn(database)
    where = {key: dsn[key] for key in ("host", "port", "user")}
    place = address({**where, "name": database}, Options(**options))  # type: ignore[arg-type]
    with connect(target(place)) as opened:
        yield opened


def nobody(_: Event) -> None:
    """Listen to nothing."""


# Waiting


def test_the_second_session_waits_is_told_who_holds_it_and_gets_it(
    postgres_server: EmbeddedServer, database: str
) -> None:
    told: list[Event] = []
    held, got = threading.Event(), threading.Event()

    def second() -> None:
        held.wait(60)
        with (
            session(postgres_server, database) as other,
            other.lease(Owner("2", "bob@elsewhere pid 2"), wait=30, listener=told.append),
        ):
            got.set()

    thread = threading.Thread(target=second)
    thread.start()
    with (
        session(postgres_server, database) as first,
        first.lease(Owner("1", "ana@laptop pid 4711"), wait=0, listener=nobody),
    ):
        held.set()
        wait_until(lambda: told, "the second is told that it waits")
        assert not got.is_set()
    thread.join(60)
    assert got.is_set()
    assert isinstance(told[0], LeaseAwaited)
    assert "ana@laptop pid 4711" in told[0].holder
    assert "since" in told[0].holder


def test_whoever_waits_for_nothing_is_told_once_and_refused_with_the_holder_s_name(
    postgres_server: EmbeddedServer, database: str
) -> None:
    with (
        session(postgres_server, database) as first,
        first.lease(Owner("1", "ana@laptop pid 4711"), wait=0, listener=nobody),
        session(postgres_server, database) as other,
        pytest.raises(Busy, match="ana@laptop pid 4711"),
        other.lease(Owner("2", "bob"), wait=0, listener=nobody),
    ):
        pass


def test_a_waiter_whose_connection_breaks_is_unreachable_and_nothing_was_touched(
    postgres_server: EmbeddedServer, database: str
) -> None:
    def cut(_: Event) -> None:
        with connected(postgres_server, database) as knife:
            query = "SELECT pg_terminate_backend(%s)"
            knife.execute(query, [other.connection.info.backend_pid])

    with (
        session(postgres_server, database) as first,
        first.lease(Owner("1", "ana"), wait=0, listener=nobody),
        session(postgres_server, database) as other,
        pytest.raises(Unreachable),
        other.lease(Owner("2", "bob"), wait=30, listener=cut),
    ):
        pass


def test_runs_of_two_histories_in_one_database_leave_each_other_alone(
    postgres_server: EmbeddedServer, database: str
) -> None:
    told: list[Event] = []
    with (
        session(postgres_server, database, history_schema="one") as first,
        first.lease(Owner("1", "ana"), wait=0, listener=nobody),
        session(postgres_server, database, history_schema="two") as other,
        other.lease(Owner("2", "bob"), wait=0, listener=told.append),
    ):
        assert first.connection.execute("SELECT 1").fetchone() == (1,)
    assert told == []


def test_what_a_vanished_owner_left_at_work_without_the_lease_is_ended(
    postgres_server: EmbeddedServer, database: str
) -> None:
    told: list[Event] = []
    mark = advisory_lock.application_name(Owner("0", "gone"))
    with (
        connected(postgres_server, database, application_name=mark) as left,
        session(postgres_server, database) as mine,
        mine.lease(Owner("1", "ana"), wait=0, listener=told.append),
        pytest.raises(psycopg.OperationalError),
    ):
        left.execute("SELECT 1")
    assert isinstance(told[0], TakenOver)


def test_beside_what_a_vanished_owner_left_and_cannot_be_ended_nothing_is_begun(
    postgres_server: EmbeddedServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advisory_lock, "end", lambda *_: False)
    mark = advisory_lock.application_name(Owner("0", "gone"))
    with (
        connected(postgres_server, database, application_name=mark),
        session(postgres_server, database) as mine,
        pytest.raises(Busy, match="does not end"),
        mine.lease(Owner("1", "ana"), wait=0, listener=nobody),
    ):
        pass


def test_a_busy_target_exits_with_4_after_the_bounded_wait_and_names_the_holder(site: Site) -> None:
    site.files.tables(1)
    with (
        session(site.server, site.database) as first,
        first.lease(Owner("1", "ana@laptop pid 4711"), wait=0, listener=nobody),
    ):
        began = time.monotonic()
        ran = site.apply("--wait", "1")
    assert ran.code == 4, ran.everything
    assert 1 <= time.monotonic() - began < 40
    assert "another run holds the lease of user/postgres" in ran.everything
    assert "ana@laptop pid 4711" in ran.everything
    assert "--engine postgres --unlock" in " ".join(ran.everything.split())
    assert site.ask("SELECT to_regclass('t1')") is None


def test_an_apply_waits_for_another_one_and_finds_its_work_done(site: Site) -> None:
    site.files.migration(SLEEP, "CREATE TABLE a (); SELECT pg_sleep(2);")
    with site.applying() as first:
        wait_until(site.is_asleep, "the first is at work")
        second = site.apply("--json")
        assert first.wait(60) == 0
    assert second.code == 0, second.everything
    events = [each["event"] for each in second.document["events"]]
    assert "lease_awaited" in events
    assert "work_finished" not in events


# Killed


def test_a_run_killed_in_the_middle_of_a_statement_is_taken_over_within_seconds(site: Site) -> None:
    sleeping = site.files.migration(SLEEP, "CREATE TABLE a (); SELECT pg_sleep(600);")
    with site.applying() as first:
        wait_until(site.is_asleep, "the first is at work")
        first.send_signal(signal.SIGKILL)
        first.wait(60)
    sleeping.write_text("-- migrate:up\nCREATE TABLE a ();\n", encoding="utf-8")
    began = time.monotonic()
    ran = site.apply("--wait", "50")
    assert ran.code == 0, ran.everything
    assert time.monotonic() - began < 40
    assert not site.is_asleep()


def test_a_dead_run_of_this_machine_is_ended_at_takeover_where_the_server_does_not_notice(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child of its own dies, but its session lives on: as if the server could not see that nobody is there."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: dead.pid)
        mark = advisory_lock.application_name(Owner("0", f"ana@laptop pid {dead.pid}"))
    told: list[Event] = []
    with ExitStack() as stack:
        left = stack.enter_context(connected(site.server, site.database, application_name=mark))
        left.execute(f"SELECT pg_advisory_lock({advisory_lock.key('seedbed')})".encode())
        mine = stack.enter_context(session(site.server, site.database))
        stack.enter_context(mine.lease(Owner("1", "bob"), wait=0, listener=told.append))
        with pytest.raises(psycopg.OperationalError):
            left.execute("SELECT 1")
    assert isinstance(told[0], TakenOver)
    assert "ana@laptop" in told[0].work
    assert "whose process is gone" in told[0].work


# By force


def test_repair_unlock_ends_the_holder_by_force_audited(site: Site) -> None:
    site.files.tables(1)
    assert site.apply().code == 0
    site.files.migration("20260201000001_sleep", "SELECT pg_sleep(600);")
    with site.applying() as first:
        wait_until(site.is_asleep, "the first is at work")
        ran = site.run("repair", "-e", "dev-ana", "--unlock", "--yes")
        assert ran.code == 0, ran.everything
        assert f"pid {first.pid}" in ran.everything
        assert first.wait(60) == 5
    assert site.ask("SELECT count(*) FROM seedbed.migrations_audit WHERE action = 'unlock'") == 1
    nobody_there = site.run("repair", "-e", "dev-ana", "--unlock", "--yes")
    assert nobody_there.code == 0
    assert "the lease is free" in nobody_there.everything


def test_unlock_without_the_right_to_it_is_refused_and_says_what_to_grant(site: Site) -> None:
    with (
        role(site.server, site.database) as name,
        session(site.server, site.database) as first,
        first.lease(Owner("1", "ana"), wait=0, listener=nobody),
    ):
        site.env["DB_USER"] = name
        ran = site.run("repair", "-e", "dev-ana", "--unlock", "--yes")
        assert first.connection.execute("SELECT 1").fetchone() == (1,)
    assert ran.code == 3, ran.everything
    assert f"GRANT pg_signal_backend TO {name}" in ran.everything


# Locks and time


def test_a_lock_conflict_is_tried_again_and_succeeds_once_the_blocker_leaves(site: Site) -> None:
    site.files.tables(1)
    assert site.apply().code == 0
    text = "ALTER TABLE t1 ADD COLUMN a int;"
    site.files.migration("20260201000001_column", text, directives="lock_timeout=200ms")
    with connected(site.server, site.database) as blocker, site.applying("--json") as process:
        blocker.execute("BEGIN; LOCK TABLE t1")
        wait_until(lambda: _is_queued(site), "the run queues for the lock")
        time.sleep(1)
        blocker.execute("COMMIT")
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert '"event": "retrying"' in out
    assert (
        site.ask("SELECT count(*) FROM pg_attribute WHERE attrelid = 't1'::regclass AND attname = 'a'") == 1
    )


def _is_queued(site: Site) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(site.ask(query))


def test_a_lock_that_is_never_free_ends_the_run_in_the_end(site: Site) -> None:
    site.files.manifest(["user"], "")
    manifest = site.files.root / "seedbed.toml"
    section = "[services.user.postgres]\n"
    manifest.write_text(
        manifest.read_text().replace(section, section + 'lock_timeout = "100ms"\nlock_retries = 1\n')
    )
    site.files.tables(1)
    assert site.apply().code == 0
    site.files.migration("20260201000001_column", "ALTER TABLE t1 ADD COLUMN a int;")
    with connected(site.server, site.database) as blocker:
        blocker.execute("BEGIN; LOCK TABLE t1")
        ran = site.apply("--json")
    assert ran.code == 7, ran.everything
    assert [each["event"] for each in ran.document["events"]].count("retrying") == 1
    assert "lock timeout" in ran.everything


@pytest.mark.parametrize("options", ["", "transaction:false"])
def test_timeouts_of_a_header_hold_for_that_migration_only(site: Site, options: str) -> None:
    read = "SELECT current_setting('lock_timeout') AS l, current_setting('statement_timeout') AS s"
    directives = "lock_timeout=77s statement_timeout=88s"
    site.files.migration(
        "20260101000001_a", f"CREATE TABLE a AS {read};", directives=directives, options=options
    )
    site.files.migration("20260101000002_b", f"CREATE TABLE b AS {read};", options=options)
    ran = site.apply()
    assert ran.code == 0, ran.everything
    assert site.ask("SELECT l || ' ' || s FROM a") == "77s 88s"
    assert site.ask("SELECT l || ' ' || s FROM b") == "5s 0"


@pytest.mark.parametrize("options", ["", "transaction:false"])
def test_a_statement_timeout_of_a_header_ends_the_statement(site: Site, options: str) -> None:
    site.files.migration(SLEEP, "SELECT pg_sleep(30);", directives="statement_timeout=100ms", options=options)
    ran = site.apply()
    assert ran.code in {5, 7}, ran.everything
    assert "statement timeout" in ran.everything


# What a session does not inherit, and does not hand on

SETTINGS = {
    "lock_timeout": "1ms",
    "statement_timeout": "1ms",
    "idle_session_timeout": "1ms",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "standard_conforming_strings": "off",
    "client_connection_check_interval": "0",
    "TimeZone": "Asia/Tokyo",
    "DateStyle": "German",
    "application_name": "evil",
}
READ = ", ".join(
    f"current_setting('{name}') AS \"{name}\"" for name in SETTINGS if name != "application_name"
)
PINNED = {
    "lock_timeout": "5s",
    "statement_timeout": "0",
    "idle_session_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "standard_conforming_strings": "on",
    "client_connection_check_interval": "1s",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
}


def recorded(site: Site, table: str) -> dict[str, object]:
    with connected(site.server, site.database) as connection:
        cursor = connection.execute(f"SELECT * FROM public.{table}".encode())
        names = [column.name for column in cursor.description or ()]
        return dict(zip(names, cursor.fetchone() or (), strict=True))


@pytest.mark.parametrize(
    "level", ["ROLE {role}", "DATABASE {database}", "ROLE {role} IN DATABASE {database}"]
)
def test_settings_of_a_role_or_a_database_do_not_change_a_run(site: Site, level: str) -> None:
    with role(site.server, site.database, "SUPERUSER") as name:
        where = level.format(role=name, database=site.database)
        with connected(site.server, "postgres") as connection:
            for setting, value in SETTINGS.items():
                connection.execute(f"ALTER {where} SET \"{setting}\" = '{value}'".encode())
        site.env["DB_USER"] = name
        for table in ("a", "b"):
            site.files.migration(
                f"2026010100000{ord(table)}_{table}", f"CREATE TABLE {table} AS SELECT {READ};"
            )
        ran = site.apply()
        assert ran.code == 0, ran.everything
        with connected(site.server, "postgres") as connection:
            connection.execute(f"ALTER DATABASE {site.database} RESET ALL".encode())
        assert recorded(site, "a") == PINNED
        assert recorded(site, "b") == PINNED


@pytest.mark.parametrize(
    "level", ["ROLE {role}", "DATABASE {database}", "ROLE {role} IN DATABASE {database}"]
)
def test_the_search_path_of_a_role_or_a_database_is_that_of_a_run(site: Site, level: str) -> None:
    """As it is that of the service; an operator class of another schema on it is found."""
    with (
        role(site.server, site.database, "SUPERUSER") as name,
        connected(site.server, site.database) as people,
    ):
        where = level.format(role=name, database=site.database)
        people.execute('CREATE SCHEMA "MyApp"; CREATE SCHEMA extensions')
        people.execute(OPERATOR_CLASS)
        people.execute(f'ALTER {where} SET search_path = "MyApp", extensions'.encode())
        site.env["DB_USER"] = name
        site.files.migration(
            "20260101000001_a",
            "CREATE TABLE a (n int4 PRIMARY KEY); CREATE INDEX a_n ON a (n backwards); SET search_path = '';",
        )
        site.files.migration("20260101000002_b", "ALTER TABLE a ADD COLUMN name text;")
        site.files.seed("a.csv", "n,name\n1,one\n")
        for arguments in (["apply"], ["seed"], ["status"]):
            ran = site.run(*arguments, "-e", "dev-ana")
            assert ran.code == 0, ran.everything
        assert people.execute('SELECT n, name FROM "MyApp".a').fetchall() == [(1, "one")]
        people.execute(f"ALTER DATABASE {site.database} RESET ALL".encode())


OPERATOR_CLASS = """
CREATE OPERATOR CLASS extensions.backwards FOR TYPE int4 USING btree AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =,
OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 btint4cmp (int4, int4)
"""


def test_the_manifest_may_name_the_search_path_several_schemas_in_any_case(site: Site) -> None:
    section = "[services.user.postgres]\n"
    manifest = site.files.root / "seedbed.toml"
    manifest.write_text(
        manifest.read_text().replace(section, section + 'search_path = ["My App", "extensions", "$user"]\n')
    )
    with connected(site.server, site.database) as people:
        people.execute('CREATE SCHEMA "My App"; CREATE SCHEMA extensions')
    site.files.migration(
        "20260101000001_a",
        "CREATE TABLE a AS SELECT current_setting('search_path') AS path; SET search_path = '';",
    )
    site.files.migration("20260101000002_b", "CREATE TABLE b (id int);")
    ran = site.apply()
    assert ran.code == 0, ran.everything
    path = '"My App", "extensions", "$user"'
    assert site.ask('SELECT path FROM "My App".a') == path
    assert site.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'My App'") == 2


LEFT = """
CREATE TABLE left_behind (id int);
PREPARE mine AS SELECT 1;
LISTEN mine;
SELECT pg_advisory_lock(4711), pg_advisory_lock(4711), pg_advisory_lock_shared(4712);
DECLARE mine CURSOR WITH HOLD FOR SELECT 1;
"""
LEFT_OVER = """
CREATE TABLE found AS SELECT
    (SELECT count(*) FROM pg_prepared_statements) AS prepared,
    (SELECT count(*) FROM pg_listening_channels()) AS channels,
    (SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors,
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
                                     AND objid IN (4711, 4712) AND classid = 0) AS locks,
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS all_locks;
"""


@pytest.mark.parametrize("options", ["", "transaction:false"])
def test_nothing_of_a_session_but_its_lease_reaches_the_next_file(site: Site, options: str) -> None:
    """Statements that were prepared, channels, cursors, advisory locks however often they were taken."""
    held = "" if not options else "DROP TABLE left_behind;"  # outside a transaction a cursor is held at once
    site.files.migration("20260101000001_left", LEFT + held, options=options)
    site.files.migration("20260101000002_found", LEFT_OVER, options=options)
    ran = site.apply()
    assert ran.code == 0, ran.everything
    with connected(site.server, site.database) as people:
        assert people.execute("TABLE found").fetchall() == [(0, 0, 0, 0, 1)]


def test_two_services_on_one_database_are_told_so_at_once(site: Site) -> None:
    site.files.manifest(["payment", "user"])
    site.files.tables(1)
    site.files.tables(1, service="payment")
    site.env = {
        **variables(site.server, site.database, "USER_"),
        **variables(site.server, site.database, "PAYMENT_"),
    }
    began = time.monotonic()
    ran = site.apply()
    assert ran.code == 3, ran.everything
    assert time.monotonic() - began < 40
    assert "user/postgres and payment/postgres are the same database" in ran.everything
    assert site.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'seedbed'") == 0


def test_whoever_holds_the_lock_and_is_no_run_is_named_by_role(site: Site) -> None:
    site.files.tables(1)
    with role(site.server, site.database) as name, connected(site.server, site.database, user=name) as other:
        other.execute(f"SELECT pg_advisory_lock({advisory_lock.key('seedbed')})".encode())
        ran = site.apply("--wait", "0")
    assert ran.code == 4, ran.everything
    assert f"of role {name}, which is no run of seedbed" in " ".join(ran.everything.split())


def test_unlock_before_the_first_apply_ends_the_holder_and_needs_no_audit(site: Site) -> None:
    with connected(site.server, site.database) as other:
        other.execute(f"SELECT pg_advisory_lock({advisory_lock.key('seedbed')})".encode())
        asked = site.run("repair", "-e", "dev-ana", "--unlock")
        assert asked.code == 3, asked.everything
        assert "--yes" in asked.everything
        ran = site.run("repair", "-e", "dev-ana", "--unlock", "--yes")
        assert ran.code == 0, ran.everything
        with pytest.raises(psycopg.OperationalError):
            other.execute("SELECT 1")
    assert site.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'seedbed'") == 0


DUMPED = """
SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET default_table_access_method = heap;
SET TimeZone = 'Asia/Tokyo';
CREATE TABLE public.dumped (id bigint);
"""


@pytest.mark.parametrize("options", ["", "transaction:false"])
def test_session_settings_as_pg_dump_writes_them_do_not_leak_into_the_next_file(
    site: Site, options: str
) -> None:
    site.files.migration("20260101000001_dump", DUMPED, options=options)
    site.files.migration("20260101000002_a", f"CREATE TABLE a AS SELECT {READ};", options=options)
    ran = site.apply()
    assert ran.code == 0, ran.everything
    assert recorded(site, "a") == PINNED
    assert site.ask("SELECT to_regclass('public.dumped')::text") == "dumped"


@pytest.mark.parametrize(
    ("options", "statement"),
    [
        ("", "SET ROLE {role}"),
        ("", "SET SESSION AUTHORIZATION {role}"),
        ("transaction:false", "SET ROLE {role}"),
        ("transaction:false", "SET SESSION AUTHORIZATION {role}"),
    ],
)
def test_a_role_that_a_file_takes_on_does_not_leak_into_the_next_file(
    site: Site, options: str, statement: str
) -> None:
    with role(site.server, site.database) as name:
        with connected(site.server, site.database) as connection:
            connection.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {name}".encode())
        text = f"{statement.format(role=name)}; CREATE TABLE first (id int);"
        site.files.migration("20260101000001_first", text, options=options)
        site.files.migration("20260101000002_second", "CREATE TABLE second (id int);", options=options)
        ran = site.apply()
        assert ran.code == 0, ran.everything
        query = "SELECT string_agg(tablename || ':' || tableowner, ' ' ORDER BY 1) FROM pg_tables WHERE schemaname = 'public'"
        assert site.ask(query) == f"first:{name} second:{site.server.user}"


@pytest.mark.parametrize("options", ["", "transaction:false"])
def test_a_role_that_a_login_always_takes_on_is_kept_for_every_file(site: Site, options: str) -> None:
    """ALTER ROLE … SET role is how one owner is given to what many people make."""
    with (
        role(site.server, site.database) as owner,
        role(site.server, site.database, f"NOINHERIT IN ROLE {owner}") as name,
    ):
        with connected(site.server, site.database) as connection:
            connection.execute(f"ALTER ROLE {name} SET role = {owner}".encode())
            connection.execute(f"GRANT ALL ON DATABASE {site.database} TO {owner}".encode())
            connection.execute(f"GRANT ALL ON SCHEMA public TO {owner}".encode())
        site.env["DB_USER"] = name
        first = "SET lock_timeout = 0; CREATE TABLE first (id int);"
        site.files.migration("20260101000001_first", first, options=options)
        site.files.migration("20260101000002_second", "CREATE TABLE second (id int);", options=options)
        ran = site.apply()
        assert ran.code == 0, ran.everything
        query = "SELECT string_agg(DISTINCT tableowner, ' ') FROM pg_tables WHERE schemaname IN ('public', 'seedbed')"
        assert site.ask(query) == owner


def test_a_lease_that_was_taken_for_less_does_nothing_and_says_what_changed(
    postgres_server: EmbeddedServer, database: str
) -> None:
    """Its plan was made before it was taken; what is pending by now may need the driver."""
    steps = (Step(0, "SELECT 1", 1), Step(1, "VACUUM", 2, atomic=False))
    plain = Migration("1", "plain", "1_plain.sql", "0" * 64, Phase.EXPAND, (Step(0, "CREATE TABLE t ()", 1),))
    stepwise = Migration("2", "stepwise", "2_stepwise.sql", "0" * 64, Phase.EXPAND, steps)
    with session(postgres_server, database) as opened:
        opened.expect([Work(plain)])
        with opened.lease(Owner("1", "ana"), wait=0, listener=nobody) as lease:
            lease.bind(Identity("sample", "user/postgres", "dev-test"))
            with pytest.raises(StalePlan, match="changed while its lease was taken"):
                list(lease.apply([Work(plain), Work(stepwise)]))
            assert lease.history().revisions == ()
            list(lease.apply([Work(plain)]))
            assert [each.version for each in lease.history().applied] == ["1"]
