"""Migrations that travel together in one message, on a real PostgreSQL: each commits or fails alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from seedbed.engines.postgres.engine import PostgresEngine
from seedbed.engines.postgres.running import transactional
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.wire import messages
from seedbed.engines.postgres.wire.libpq import CommandResult
from seedbed.model.event import Retrying, ServerNotice, TargetFailed, WorkFinished, WorkStarted
from seedbed.model.migration import Migration, MigrationFile, Phase, Step
from tests.support.postgres.platform import Connection, Place, at_retry, options
from tests.support.projects import ProjectFiles, run, variables


@pytest.fixture
def place(files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> Place:
    return Place(files.root, postgres_server, {"user": new_database()})


@pytest.fixture(autouse=True)
def long_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is: one migration in the first message, then 2, 4, 8, and 16 in all others."""
    monkeypatch.setattr(transactional, "QUICK", 3600)


def tables(place: Place) -> list[str]:
    return [
        name
        for (name,) in place.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    ]


def at(path: Path, text: str) -> int:
    """Return the line of `path` in which `text` stands for the first time."""
    return path.read_text().split(text)[0].count("\n") + 1


def failure(place: Place, path: Path) -> tuple[TargetFailed, int]:
    """Apply, and return the failure with its line in `path`, 0 where it tells none."""
    error = place.apply().error
    name, _, line = str(error.at).partition(":")
    assert path.as_posix().endswith(name)
    return error, int(line or 0)


def test_sixteen_migrations_go_in_one_message(
    place: Place, files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def send(connection: Connection, text: str) -> Iterator[CommandResult]:
        sent.append(text)
        return messages.send(connection, text)

    monkeypatch.setattr(transactional, "send", send)
    files.tables(40)
    told = place.apply()
    assert told.code == 0
    assert [text.count("COMMIT") for text in sent] == [1, 2, 4, 8, 16, 9]
    assert told.finished == sorted(told.finished) == place.versions()


def test_one_that_fails_ends_the_message_and_what_stood_before_it_stays(
    place: Place, files: ProjectFiles
) -> None:
    files.tables(31)
    name = "20260101000022"  # the seventh of the fifth message
    path = files.migration(
        f"{name}_t22", "CREATE TABLE t22 (id int);\n\n-- Über\nINSERT INTO t22\nSELECT nothing FROM t1;"
    )
    told = place.apply()
    assert str(told.error.at).endswith(f"{path.name}:{at(path, 'SELECT nothing')}")
    assert (told.error.version, told.code) == (name, 5)
    assert place.versions() == told.finished == [f"20260101{number:06d}" for number in range(1, 22)]
    assert tables(place) == sorted(f"t{number}" for number in range(1, 22))
    path.write_text(path.read_text().replace("nothing", "id"))
    assert len(place.apply().finished) == 10


def test_a_statement_without_a_position_is_found_by_counting(place: Place, files: ProjectFiles) -> None:
    files.tables(2)
    path = files.migration(
        "20260102000000_rows",
        "CREATE TABLE words (word text UNIQUE);\nDO $$ BEGIN NULL; END $$; /* ; */ INSERT INTO words VALUES ('a;b'), ('ä');\n"
        "SELECT 1; SELECT 2;\n-- twice\nINSERT INTO words VALUES ('ä'); -- here\nDROP TABLE words;",
        directives="lock_timeout=3s\nstatement_timeout=1min",
    )
    error, line = failure(place, path)
    assert "duplicate key" in error.error
    assert line == at(path, "INSERT INTO words VALUES ('ä');")


def test_an_error_inside_a_function_is_told_where_the_function_is_called(
    place: Place, files: ProjectFiles
) -> None:
    path = files.migration(
        "1_function",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n  RETURN 1 / 0;\nEND $$;\nSELECT 1;\nSELECT f();",
    )
    error, line = failure(place, path)
    assert line == at(path, "SELECT f()")
    assert "PL/pgSQL function f() line 3" in error.because


def test_an_error_in_a_functions_text_is_told_where_it_stands_there(
    place: Place, files: ProjectFiles
) -> None:
    files.tables(3)
    path = files.migration(
        "20260102000000_function",
        "SELECT 1;\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n  SELECT id\n  FROM nowhere $$;",
    )
    assert failure(place, path)[1] == at(path, "FROM nowhere")


def test_a_deferred_constraint_fails_at_commit_and_blames_no_statement(
    place: Place, files: ProjectFiles
) -> None:
    files.migration(
        "1_table", "CREATE TABLE t (id int PRIMARY KEY, next int REFERENCES t DEFERRABLE INITIALLY DEFERRED);"
    )
    path = files.migration("2_row", "INSERT INTO t VALUES (1, 2);\nINSERT INTO t VALUES (3, 1);")
    files.migration("3_more", "CREATE TABLE never (id int);")
    error, line = failure(place, path)
    assert "foreign key constraint" in error.error
    assert line == 0
    assert (place.versions(), tables(place)) == (["1"], ["t"])
    assert place.query("SELECT count(*) FROM t") == [(0,)]


def test_syntax_that_only_the_server_refuses_is_found_one_by_one(
    place: Place, files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.tables(6)
    original = PostgresEngine.parse

    def newer(engine: PostgresEngine, file: MigrationFile) -> Migration:
        if file.name != "t5":
            return original(engine, file)
        step = Step(0, "SELECT 1;\nMAKE TABLE t5;", line=1)
        return Migration(file.version, file.name, file.path, file.checksum, Phase.EXPAND, (step,))

    monkeypatch.setattr(PostgresEngine, "parse", newer)
    told = place.apply()
    assert told.finished == [f"2026010100000{number}" for number in range(1, 5)] == place.versions()
    assert str(told.error.at).endswith(
        "_t5.sql:2"
    )  # the second line of the body, which begins in line 1 here
    assert [each.version for each in told.of(WorkStarted)] == [*told.finished, told.error.version]


def test_settings_do_not_reach_the_next_migration(place: Place, files: ProjectFiles) -> None:
    asking = (
        "AS SELECT current_user::text, session_user::text, current_setting('search_path') AS path, "
        "current_setting('TimeZone') AS zone, current_setting('statement_timeout') AS timeout, "
        "left(current_setting('application_name'), 12) AS mark;"
    )
    files.migration("1_before", f"CREATE TABLE before {asking}")
    files.migration(
        "2_sets",
        "CREATE TABLE here (id int); SET search_path = ''; SET application_name = 'mine'; SET statement_timeout = '1h'; "
        "SELECT set_config('TimeZone', 'Asia/Tokyo', false); SET SESSION AUTHORIZATION pg_monitor;",
    )
    files.migration(
        "3_hides", "DO $$ BEGIN PERFORM set_config('search_path', '', false); END $$; SET ROLE pg_monitor;"
    )
    files.migration("4_after", f"CREATE TABLE after {asking}", directives="lock_timeout=1s")
    assert place.apply().code == 0
    assert place.query("TABLE before") == place.query("TABLE after")
    assert place.query("SELECT mark FROM after") == [("seedbed run ",)]


def test_a_temporary_table_does_not_hide_a_real_one_from_the_next_migration(
    place: Place, files: ProjectFiles
) -> None:
    files.migration("1_real", "CREATE TABLE people (id int);")
    files.migration("2_temporary", "CREATE TEMPORARY TABLE people (id int); INSERT INTO people VALUES (7);")
    files.migration("3_again", "CREATE TABLE pg_temp.people (id int);")
    files.migration("4_rows", "INSERT INTO people VALUES (1);")
    assert place.apply().code == 0
    assert place.query("TABLE people") == [(1,)]


def test_a_migration_without_statements_is_recorded(place: Place, files: ProjectFiles) -> None:
    files.tables(1)
    files.migration(
        "20260101000002_nothing", "-- moved elsewhere\n;;", "-- nothing", directives="lock_timeout=1s"
    )
    files.tables(1, first=3)
    assert place.apply().finished == ["20260101000001", "20260101000002", "20260101000003"]


@pytest.mark.parametrize(
    "end", ["-- the end", ";-- the end", "/* the end */", "; /* the end */ -- of /* it", ";;", ""]
)
def test_a_body_may_end_in_anything(place: Place, files: ProjectFiles, end: str) -> None:
    files.tables(1)
    path = files.migration("20260101000002_end", f"CREATE TABLE ended (id int) {end}")
    path.write_text(path.read_text().rstrip("\n"))
    files.tables(2, first=3)
    assert place.apply().code == 0
    assert tables(place) == ["ended", "t1", "t3", "t4"]


def test_what_the_server_says_is_told_with_the_version_that_made_it_say_so(
    place: Place, files: ProjectFiles
) -> None:
    files.tables(1)
    files.migration("20260101000002_notice", "DO $$ BEGIN RAISE NOTICE 'ten rows'; END $$;")
    files.migration(
        "20260101000003_warning", "DROP TABLE IF EXISTS nowhere; DO $$ BEGIN RAISE WARNING 'slow'; END $$;"
    )
    files.migration(
        "20260101000004_fails",
        "DO $$ BEGIN RAISE NOTICE 'so far'; END $$; DO $$ BEGIN RAISE EXCEPTION 'no'; END $$;",
    )
    told = place.apply()
    assert [(each.version[-1], each.severity, each.text) for each in told.of(ServerNotice)] == [
        ("2", "NOTICE", "ten rows"),
        ("3", "NOTICE", 'table "nowhere" does not exist, skipping'),
        ("3", "WARNING", "slow"),
        ("4", "NOTICE", "so far"),
    ]


def test_what_gives_way_to_a_lock_is_tried_again(place: Place, files: ProjectFiles) -> None:
    options(files, lock_timeout="50ms", lock_retries=20)
    files.tables(3)
    assert place.apply(to="20260101000003").code == 0
    files.migration("20260102000001_first", "CREATE TABLE first (id int);")
    files.migration("20260102000002_waits", "ALTER TABLE t1 ADD COLUMN a int;")
    files.migration("20260102000003_last", "CREATE TABLE last (id int);")
    with place.connection() as other:
        other.execute("BEGIN; LOCK TABLE t1")
        told = place.apply(listener=at_retry(2, other.rollback))
    assert told.code == 0
    assert [each.version for each in told.of(Retrying)] == ["20260102000002"] * 2
    assert [each.version for each in told.of(WorkStarted)] == told.finished
    assert len(told.finished) == 3


def test_what_gives_way_too_often_fails_and_says_what_to_do(place: Place, files: ProjectFiles) -> None:
    options(files, lock_timeout="50ms", lock_retries=1)
    files.tables(1)
    place.apply()
    path = files.migration("20260102000001_waits", "SELECT 1;\nALTER TABLE t1 ADD COLUMN a int;")
    with place.connection() as other:
        other.execute("BEGIN; LOCK TABLE t1")
        told = place.apply()
    assert (told.code, len(told.of(Retrying))) == (7, 1)
    assert str(told.error.at).endswith(f":{at(path, 'ALTER')}")
    assert "pg_stat_activity" in told.error.try_


def test_reverting_goes_the_same_way_and_one_that_fails_keeps_its_record(
    place: Place, files: ProjectFiles
) -> None:
    files.tables(10)
    place.apply()
    place.execute("CREATE VIEW rests_on AS SELECT * FROM t4")
    told = place.revert(to="0")
    assert told.error.version == "20260101000004"
    assert told.finished == [f"20260101{number:06d}" for number in range(10, 4, -1)]
    assert place.versions() == [f"20260101{number:06d}" for number in range(1, 5)]
    place.execute("DROP VIEW rests_on")
    assert place.revert(to="0").code == 0
    assert tables(place) == []


def test_each_migration_of_a_message_records_its_own_time(
    files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]
) -> None:
    for number in range(1, 8):  # messages of one, two and four
        files.migration(f"{number}_m", "SELECT pg_sleep(0.05);", "SELECT pg_sleep(0.05);")
    database = new_database()
    env = variables(postgres_server, database)
    assert run(files.root, "apply", "-e", "dev-test", env=env).code == 0
    with psycopg.connect(**postgres_server.dsn(database)) as connection:  # type: ignore[arg-type]
        times = connection.execute(
            "SELECT min(duration_ms), sum(duration_ms), extract(epoch FROM max(applied_at) - min(applied_at)) * 1000 "
            "+ max(duration_ms) FROM seedbed.migrations_history"
        ).fetchone()
    assert times is not None
    shortest, together, span = times
    assert shortest >= 50
    assert together <= span + 7, "times overlap: they were counted from the start of the message"
    began = time.monotonic()
    reverted = run(files.root, "revert", "-e", "dev-test", "--to", "0", "--json", env=env)
    took = time.monotonic() - began
    seconds = [each["seconds"] for each in reverted.document["events"] if each["event"] == "work_finished"]
    assert len(seconds) == 7
    assert min(seconds) >= 0.05
    assert sum(seconds) <= took


def test_what_a_migration_selects_is_not_taken_for_the_time_that_it_took(
    files: ProjectFiles, place: Place
) -> None:
    files.tables(2)
    files.migration("20260101000003_quick", "SELECT 86400000;")
    files.migration("20260101000004_quick", "SELECT 'infinity';")
    told = place.apply()
    assert all(each.seconds < 3600 for each in told.of(WorkFinished)), told.of(WorkFinished)


def test_rows_without_a_column_are_no_reason_for_a_notice(place: Place, files: ProjectFiles) -> None:
    files.migration(
        "1_people", "CREATE TABLE people (id int); INSERT INTO people VALUES (1);\nSELECT FROM people;"
    )
    told = place.apply()
    assert told.code == 0
    assert told.of(ServerNotice) == []
