"""Migrations outside of a transaction, on a real PostgreSQL: killed, refused, half done, and gone on with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.errors import HistoryConflict
from seedbed.model.event import Repaired, Retrying, ServerNotice, StepProbed, WorkProgressed, WorkStarted
from seedbed.model.migration import checksum
from seedbed.project import Decision
from tests.support.postgres.platform import Connection, Place, at_retry, options
from tests.support.projects import ProjectFiles

OUT = "transaction:false"
PEOPLE = "CREATE TABLE people (id int PRIMARY KEY, email text); INSERT INTO people VALUES (1, 'a'), (2, 'a');"
UNIQUE = "CREATE UNIQUE INDEX CONCURRENTLY people_email_key ON people (email);"
INDEX = "CREATE INDEX CONCURRENTLY people_idx ON people (email);"
HURRIED = "lock_timeout=50ms"


@pytest.fixture
def place(files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> Place:
    return Place(files.root, postgres_server, {"user": new_database()})


@pytest.fixture
def people(place: Place, files: ProjectFiles) -> Place:
    """A target with the table `people`, in which two have the same address."""
    files.migration("1_people", PEOPLE)
    assert place.apply().code == 0
    return place


@contextmanager
def writing(
    place: Place, statement: str = "UPDATE people SET email = email WHERE id = 1"
) -> Iterator[Connection]:
    """Leave a transaction open that has done `statement`: what is built concurrently waits for it."""
    with place.connection() as other:
        other.execute("BEGIN")
        other.execute(statement.encode())
        yield other
        other.rollback()


def indexes(place: Place, like: str = "%") -> dict[str, bool]:
    """Return whether each index of the public schema is valid."""
    query = (
        "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
        "WHERE relnamespace = 'public'::regnamespace AND relname LIKE %s AND NOT indisprimary ORDER BY 1"
    )
    return dict(place.query(query, [like]))


def oid(place: Place, name: str) -> object:
    return place.query("SELECT to_regclass(%s)::oid", [name])[0][0]


def stands(place: Place, version: str = "2") -> tuple[str, int, bool] | None:
    """Return how a version is recorded: state, steps done, whether the next is in hand; None where it is not."""
    revision = place.history().get(version)
    return (revision.state.value, revision.step, revision.in_step) if revision else None


def half_built(place: Place, name: str, on: str = "people (email)") -> None:
    """Leave an invalid index behind, as somebody else whose build failed."""
    with place.connection() as other, pytest.raises(psycopg.errors.UniqueViolation):
        other.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {on}".encode())


def mend(place: Place) -> None:
    place.execute("UPDATE people SET email = id::text")


# Atomic statements


def test_statements_that_may_run_in_a_transaction_commit_with_their_record(
    people: Place, files: ProjectFiles
) -> None:
    files.migration(
        "2_steps",
        "CREATE TABLE a (id int);\nINSERT INTO a SELECT 1;\nUPDATE people SET email = 'b' WHERE id = 1;\nCREATE TABLE b (id int);",
        options=OUT,
    )
    with writing(people):
        people.kill_inside("%UPDATE people%")
    assert stands(people) == ("started", 2, False)
    told = people.apply()
    assert (told.code, told.finished) == (0, ["2"])
    assert told.of(WorkStarted)[0].resumed
    assert [each.done for each in told.of(WorkProgressed)] == [3, 4]
    assert people.query("SELECT count(*) FROM a") == [(1,)]


def test_a_refused_statement_is_told_by_its_line_and_goes_on_there_once_the_data_are_mended(
    people: Place, files: ProjectFiles
) -> None:
    path = files.migration(
        "2_steps",
        "CREATE TABLE a (id int);\n\n-- why\nALTER TABLE people\n  ADD UNIQUE (email);",
        options=OUT,
    )
    told = people.apply()
    assert told.code == 5  # the first statement stays
    assert str(told.error.at).endswith(f"{path.name}:5")
    assert stands(people) == ("started", 1, False)
    mend(people)
    assert people.apply().finished == ["2"]


@pytest.mark.parametrize("mended_options", [OUT, ""])
def test_a_file_whose_first_statement_failed_may_be_mended(
    people: Place, files: ProjectFiles, mended_options: str
) -> None:
    files.migration("2_steps", "CREATE TABLE a (id nonsense);", options=OUT)
    assert people.apply().code == 7
    files.migration("2_steps", "CREATE TABLE a (id int);", "DROP TABLE a;", options=mended_options)
    assert people.apply().finished == ["2"]
    assert people.apply().code == 0  # it does not count as edited
    assert people.revert().finished == ["2"]


def test_what_was_set_before_the_kill_is_set_again_after_it(people: Place, files: ProjectFiles) -> None:
    files.migration(
        "2_steps",
        "CREATE SCHEMA other;\nSET search_path = other;\nUPDATE public.people SET email = 'b' WHERE id = 1;\n"
        "CREATE TABLE there (id int);",
        options=OUT,
    )
    with writing(people):
        people.kill_inside("%UPDATE public.people%")
    assert people.apply().finished == ["2"]
    assert people.query("SELECT to_regclass('other.there') IS NOT NULL") == [(True,)]


def test_settings_do_not_reach_the_next_migration(people: Place, files: ProjectFiles) -> None:
    files.migration(
        "2_sets",
        "SET search_path = pg_catalog; SET ROLE pg_monitor;",
        options=OUT,
        directives="lock_timeout=77ms",
    )
    files.migration(
        "3_asks", "CREATE TABLE asked AS SELECT current_user::text, current_setting('lock_timeout');"
    )
    assert people.apply().code == 0
    assert people.query("SELECT current_user::text, '5s'") == people.query("TABLE asked")


# CREATE INDEX CONCURRENTLY


def test_an_index_that_failed_on_its_data_is_removed_at_once(people: Place, files: ProjectFiles) -> None:
    path = files.migration("2_index", f"\n{UNIQUE}", options=OUT)
    told = people.apply()
    assert str(told.error.at).endswith(f"{path.name}:3")
    assert (told.code, stands(people), indexes(people)) == (7, None, {})
    assert people.apply().error.error == told.error.error  # as long as the data are what they are
    files.migration("2_index", UNIQUE.replace("UNIQUE ", ""), options=OUT)  # it does not count as edited
    assert people.apply().finished == ["2"]
    assert indexes(people) == {"people_email_key": True}


def test_an_index_that_cannot_be_removed_is_something_that_stayed(people: Place, files: ProjectFiles) -> None:
    options(files, lock_retries=1)
    files.migration("2_index", UNIQUE, options=OUT, directives=HURRIED)
    with writing(people):
        told = people.apply()
    assert (told.code, indexes(people)) == (5, {"people_email_key": False})
    assert "an invalid index stays, which the next run removes" in told.error.because
    mend(people)
    told = people.apply()
    assert told.finished == ["2"]
    assert [each.verdict for each in told.of(StepProbed)] == [
        "index people_email_key was left invalid: it is removed and built again"
    ]
    assert indexes(people) == {"people_email_key": True}


def test_a_build_that_was_killed_is_removed_and_built_anew(people: Place, files: ProjectFiles) -> None:
    files.migration("2_index", "CREATE INDEX CONCURRENTLY people_idx ON people (email);", options=OUT)
    with writing(people):
        people.kill_inside("%CREATE INDEX%")
    assert stands(people) == ("started", 0, True)
    assert people.apply().finished == ["2"]
    assert indexes(people) == {"people_idx": True}


def test_a_build_that_was_done_before_the_kill_is_taken_as_it_is(people: Place, files: ProjectFiles) -> None:
    mend(people)
    files.migration("2_index", f"SELECT 1;\n{UNIQUE}", options=OUT)
    assert people.apply().code == 0
    made = oid(people, "people_email_key")
    people.execute(
        "UPDATE seedbed.migrations_history SET state = 'started', step = 1, in_step = true WHERE version = '2'"
    )
    told = people.apply()
    assert [each.verdict for each in told.of(StepProbed)] == ["index people_email_key is there and valid"]
    assert oid(people, "people_email_key") == made


def test_a_build_that_the_server_refused_at_once_leaves_nothing_in_hand(
    people: Place, files: ProjectFiles
) -> None:
    files.migration("2_index", "CREATE INDEX CONCURRENTLY people_idx ON people (emial);", options=OUT)
    assert people.apply().code == 7
    assert stands(people) is None
    files.migration("2_index", "CREATE INDEX CONCURRENTLY people_idx ON people (email);", options=OUT)
    assert people.apply().finished == ["2"]


@pytest.mark.parametrize("word", ["", "IF NOT EXISTS "])
def test_an_invalid_index_of_somebody_else_is_neither_taken_nor_removed(
    people: Place, files: ProjectFiles, word: str
) -> None:
    half_built(people, "people_email_key")
    theirs = oid(people, "people_email_key")
    mend(people)
    files.migration("2_index", UNIQUE.replace("CONCURRENTLY ", f"CONCURRENTLY {word}"), options=OUT)
    for _ in range(2):
        told = people.apply()
        assert told.code == 7
        assert "people_email_key exists, but it is not valid" in told.error.error
    assert (oid(people, "people_email_key"), stands(people)) == (theirs, None)
    people.execute("DROP INDEX people_email_key")
    assert people.apply().finished == ["2"]


def test_a_lock_that_was_waited_for_in_vain_does_not_make_their_index_ours(
    people: Place, files: ProjectFiles
) -> None:
    options(files, lock_retries=1)
    half_built(people, "people_email_key")
    theirs = oid(people, "people_email_key")
    mend(people)
    guarded = UNIQUE.replace("CONCURRENTLY ", "CONCURRENTLY IF NOT EXISTS ")
    files.migration("2_index", guarded, options=OUT, directives=HURRIED)
    with writing(people, "LOCK TABLE people IN SHARE UPDATE EXCLUSIVE MODE"):
        assert people.apply().code == 7
    assert people.apply().code == 7
    assert oid(people, "people_email_key") == theirs


def test_a_valid_index_of_somebody_else_is_taken_only_where_the_migration_says_so(
    people: Place, files: ProjectFiles
) -> None:
    people.execute("CREATE INDEX people_idx ON people (id)")
    files.migration("2_index", "CREATE INDEX CONCURRENTLY people_idx ON people (email);", options=OUT)
    for _ in range(2):
        assert "people_idx exists already" in people.apply().error.error
    files.migration(
        "2_index", "CREATE INDEX CONCURRENTLY IF NOT EXISTS people_idx ON people (email);", options=OUT
    )
    assert people.apply().finished == ["2"]


def test_an_index_that_somebody_is_building_right_now_is_left_alone(
    people: Place, files: ProjectFiles
) -> None:
    files.migration("2_index", UNIQUE, options=OUT)
    with writing(people):
        people.kill_inside("%CREATE UNIQUE INDEX%")
    people.execute("DROP INDEX IF EXISTS people_email_key")
    mend(people)
    with writing(people) as blocker:
        builder = threading.Thread(target=people.execute, args=[UNIQUE.rstrip(";")])
        builder.start()
        wait_for(lambda: indexes(people) == {"people_email_key": False})
        theirs = oid(people, "people_email_key")
        told = people.apply()
        assert told.code == 5
        assert "is being built by another session right now" in told.error.because
        blocker.rollback()
        builder.join()
    assert people.apply().finished == ["2"]
    assert (oid(people, "people_email_key"), indexes(people)) == (theirs, {"people_email_key": True})


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_index_of_a_partitioned_table_is_never_dropped(people: Place, files: ProjectFiles) -> None:
    path = files.migration("2_index", "CREATE INDEX CONCURRENTLY days_idx ON days (at);", options=OUT)
    people.execute("CREATE TABLE days (at date) PARTITION BY RANGE (at)")
    people.execute("CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')")
    assert "cannot create index on partitioned table" in people.apply().error.error
    assert stands(people) is None
    people.execute(
        "INSERT INTO seedbed.migrations_history (version, name, checksum, phase, state, direction, in_step, owner) "
        f"VALUES ('2', 'index', '{checksum(path.read_bytes())}', 'expand', 'started', 'up', true, 'ana')"
    )
    people.execute("CREATE INDEX days_idx ON ONLY days (at)")
    told = people.apply()
    assert told.code == 5
    assert "belongs to a partitioned table" in told.error.because
    assert indexes(people) == {"days_idx": False}


def test_a_build_that_gives_way_is_cleaned_up_and_tried_again_however_long_that_takes(
    people: Place, files: ProjectFiles
) -> None:
    options(files, lock_retries=20)
    files.migration("2_index", INDEX, options=OUT, directives=HURRIED)
    with writing(people) as blocker:
        told = people.apply(listener=at_retry(4, blocker.rollback))  # its removal waits for the same lock
    assert told.code == 0
    assert len(told.of(Retrying)) == 4
    assert indexes(people) == {"people_idx": True}


@pytest.mark.parametrize(
    "statement",
    [INDEX, "DROP INDEX CONCURRENTLY people_made;", "REINDEX TABLE CONCURRENTLY people;"],
)
def test_what_is_concurrent_waits_for_others_longer_than_the_manifest_lets_locks_be_waited_for(
    people: Place, files: ProjectFiles, statement: str
) -> None:
    options(files, lock_timeout="50ms", lock_retries=0)
    people.execute("CREATE INDEX people_made ON people (id)")
    asking = "CREATE TABLE asked AS SELECT current_setting('lock_timeout');"
    files.migration("2_index", f"{statement}\n{asking}", options=OUT)
    with writing(people) as blocker:
        threading.Timer(0.5, blocker.rollback).start()
        told = people.apply()
    assert (told.code, told.finished, told.of(Retrying)) == (0, ["2"], [])
    assert people.query("TABLE asked") == [("50ms",)]  # what comes after it is in a hurry again


def test_a_limit_that_the_migration_sets_itself_holds_for_what_is_concurrent(
    people: Place, files: ProjectFiles
) -> None:
    options(files, lock_retries=0)
    files.migration("2_index", f"SET lock_timeout = '50ms';\n{INDEX}", options=OUT)
    with writing(people):
        assert "lock timeout" in people.apply().error.error


def test_a_build_that_gives_way_too_often_is_gone_on_with_by_the_next_run(
    people: Place, files: ProjectFiles
) -> None:
    options(files, lock_retries=2)
    files.migration("2_index", INDEX, options=OUT, directives=HURRIED)
    with writing(people):
        assert people.apply().code == 5  # it is left invalid
        assert people.apply().code == 7  # and this run did nothing about it
    assert people.apply().finished == ["2"]
    assert indexes(people) == {"people_idx": True}


# DROP INDEX, REINDEX and DETACH PARTITION CONCURRENTLY


def test_a_drop_that_was_killed_is_finished(people: Place, files: ProjectFiles) -> None:
    people.execute("CREATE INDEX people_idx ON people (email)")
    files.migration("2_drop", "DROP INDEX CONCURRENTLY people_idx;", options=OUT)
    with writing(people):
        people.kill_inside("%DROP INDEX%")
    assert stands(people) == ("started", 0, True)
    assert people.apply().finished == ["2"]
    assert indexes(people) == {}


def test_a_drop_of_what_is_not_there_fails_every_time(people: Place, files: ProjectFiles) -> None:
    files.migration("2_drop", "DROP INDEX CONCURRENTLY people_idx;", options=OUT)
    for _ in range(2):
        told = people.apply()
        assert (told.code, stands(people)) == (7, None)
        assert "does not exist" in told.error.error


@pytest.mark.parametrize(
    "statement", ["REINDEX TABLE CONCURRENTLY people;", "REINDEX INDEX CONCURRENTLY a_b;"]
)
def test_what_a_killed_rebuild_left_is_removed_and_nothing_that_only_looks_like_it(
    people: Place, files: ProjectFiles, statement: str
) -> None:
    people.execute("CREATE INDEX a_b ON people (email); CREATE TABLE others AS TABLE people")
    half_built(people, "axb_ccnew")
    half_built(people, "a_b_ccnew1", "others (email)")
    theirs = {"axb_ccnew": False, "a_b_ccnew1": False}
    files.migration("2_rebuild", statement, options=OUT)
    with writing(people):
        people.kill_inside("%REINDEX%")
    assert indexes(people, "a%").items() > {**theirs, "a_b_ccnew": False}.items()
    assert people.apply().finished == ["2"]
    assert indexes(people, "a%") == {**theirs, "a_b": True}
    assert people.query("SELECT count(*) FROM pg_index WHERE indrelid = 'people'::regclass") == [(3,)]


def test_the_leftover_of_an_index_with_a_long_name_is_found(people: Place, files: ProjectFiles) -> None:
    name = "ü" * 31 + "x"  # 63 bytes, all that a name may have
    people.execute(f'CREATE INDEX "{name}" ON people (email)')
    files.migration("2_rebuild", f'REINDEX INDEX CONCURRENTLY "{name}";', options=OUT)
    with writing(people):
        people.kill_inside("%REINDEX%")
    assert len(indexes(people)) == 2
    assert people.apply().finished == ["2"]
    assert indexes(people) == {name: True}


@pytest.fixture
def days(people: Place) -> Place:
    people.execute(
        "CREATE TABLE days (at date) PARTITION BY RANGE (at);"
        "CREATE TABLE \"Days 1\" PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
    )
    return people


DETACH = 'ALTER TABLE days DETACH PARTITION "Days 1" CONCURRENTLY;'
PARTITIONS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'days'::regclass"


def test_a_partition_that_is_half_detached_is_finalized(days: Place, files: ProjectFiles) -> None:
    files.migration("2_detach", DETACH, options=OUT)
    with writing(days, "SELECT * FROM days"):
        days.kill_inside("%DETACH%")
    told = days.apply()
    assert told.finished == ["2"]
    assert [each.verdict for each in told.of(StepProbed)] == [
        '"Days 1" is half detached: that is finished now'
    ]
    assert days.query(PARTITIONS) == [(0,)]


def test_a_detaching_that_gives_way_is_finalized(days: Place, files: ProjectFiles) -> None:
    options(files, lock_timeout="50ms", lock_retries=20)
    files.migration("2_detach", DETACH, options=OUT)
    with writing(days, "SELECT * FROM days") as blocker:
        told = days.apply(listener=at_retry(3, blocker.rollback))
    assert (told.code, len(told.of(Retrying))) == (0, 3)
    assert days.query(PARTITIONS) == [(0,)]


def test_detaching_what_is_no_partition_fails_every_time(days: Place, files: ProjectFiles) -> None:
    files.migration("2_detach", "ALTER TABLE days DETACH PARTITION people CONCURRENTLY;", options=OUT)
    for _ in range(2):
        assert (days.apply().code, stands(days)) == (7, None)


# What nobody can prove


@pytest.fixture
def called(people: Place, files: ProjectFiles) -> Place:
    """A target whose runner was killed inside a procedure, after half of its work."""
    people.execute(
        "CREATE TABLE done (n int); CREATE PROCEDURE work() LANGUAGE plpgsql AS $$ BEGIN\n"
        "INSERT INTO done VALUES (1); COMMIT; UPDATE people SET email = email; INSERT INTO done VALUES (2); END $$"
    )
    files.migration("2_call", "CREATE TABLE a (id int);\nCALL work();\nCREATE TABLE b (id int);", options=OUT)
    with writing(people):
        people.kill_inside("%CALL work%")
    return people


def test_a_call_that_was_killed_is_left_to_a_person(called: Place) -> None:
    for _ in range(2):
        told = called.apply()
        assert told.code == 5
        assert str(told.error.at).endswith("_call.sql:3")
        assert "seedbed repair -e dev-test -s user --engine postgres 2 --applied" in told.error.try_
    assert called.query("TABLE done") == [(1,)]
    assert stands(called) == ("started", 1, True)


@pytest.mark.parametrize(("decision", "done"), [(Decision.APPLIED, [1]), (Decision.NOT_APPLIED, [1, 1, 2])])
def test_after_the_decision_the_next_run_goes_on(called: Place, decision: Decision, done: list[int]) -> None:
    assert len(called.repair("2", decision).of(Repaired)) == 1
    assert called.apply().finished == ["2"]
    assert called.query("TABLE done") == [(each,) for each in done]
    assert called.query("SELECT to_regclass('b') IS NOT NULL") == [(True,)]
    assert called.query("SELECT because FROM seedbed.migrations_audit") == [("looked at it",)]


def test_what_is_declared_repeatable_runs_again(people: Place, files: ProjectFiles) -> None:
    files.migration(
        "2_do",
        "DO $$ BEGIN CREATE TABLE IF NOT EXISTS a (id int); COMMIT; UPDATE people SET email = 'b'; END $$;",
        options=OUT,
        directives='repeatable because "it looks first"',
    )
    with writing(people):
        people.kill_inside("%UPDATE people%")
    told = people.apply()
    assert told.finished == ["2"]
    assert [each.verdict for each in told.of(StepProbed)] == ["declared repeatable: run again"]


def test_a_block_that_failed_half_way_is_left_to_a_person_and_says_what_to_type(
    people: Place, files: ProjectFiles
) -> None:
    files.migration(
        "2_do", "DO $$ BEGIN CREATE TABLE a (id int); COMMIT; PERFORM 1 / 0; END $$;", options=OUT
    )
    told = people.apply()
    assert (told.code, told.error.error_kind, told.error.touched) == (5, "OutcomeUnknown", True)
    assert told.error.error.endswith("division by zero")
    assert "what it had committed before stays" in told.error.because
    assert "seedbed repair -e dev-test -s user --engine postgres 2 --not-applied" in told.error.try_
    assert people.apply().code == 5
    files.migration("2_do", "DO $$ BEGIN CREATE TABLE b (id int); COMMIT; END $$;", options=OUT)
    assert people.repair("2", Decision.NOT_APPLIED).code == 0
    assert people.apply().finished == ["2"]


def test_a_repeatable_block_that_failed_half_way_may_be_mended(people: Place, files: ProjectFiles) -> None:
    repeatable = 'repeatable because "it looks first"'
    block = "DO $$ BEGIN CREATE TABLE IF NOT EXISTS a (id int); COMMIT; PERFORM 1 / 0; END $$;"
    files.migration("2_do", block, options=OUT, directives=repeatable)
    told = people.apply()
    assert (told.code, stands(people)) == (5, ("started", 0, False))
    files.migration("2_do", block.replace("/ 0", "/ 1"), options=OUT, directives=repeatable)
    assert people.apply().finished == ["2"]


@pytest.mark.parametrize(
    "statement",
    ["CALL missing_procedure();", "DO $$ BEGIN COMMIT $$;", "DO LANGUAGE nonsense $$ COMMIT $$;"],
)
def test_a_statement_that_never_began_left_nothing_and_is_not_asked_about(
    people: Place, files: ProjectFiles, statement: str
) -> None:
    files.migration("2_call", statement, options=OUT)
    assert (people.apply().code, stands(people)) == (7, None)
    files.migration("2_call", "CREATE TABLE a (id int);", options=OUT)
    assert people.apply().finished == ["2"]


def refuse_the_record(place: Place, times: int, how: str) -> None:
    """Let the server refuse the first `times` records that the first step of version 2 is done, with `how`."""
    place.execute(
        "CREATE SEQUENCE refused; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n"
        f"IF NEW.version = '2' AND NEW.step = 1 AND NOT NEW.in_step AND nextval('refused') <= {times} THEN\n"
        f"RAISE EXCEPTION {how}; END IF; RETURN NEW; END $$; CREATE TRIGGER refuse BEFORE UPDATE ON "
        "seedbed.migrations_history FOR EACH ROW EXECUTE FUNCTION refuse()"
    )


DONE = "DO $$ BEGIN UPDATE people SET email = email || '!'; END $$;"


def test_a_block_that_is_done_is_recorded_although_its_record_was_canceled(
    people: Place, files: ProjectFiles
) -> None:
    refuse_the_record(people, 2, "'canceling statement due to user request' USING ERRCODE = '57014'")
    files.migration("2_do", f"{DONE}\nSELECT 1;", options=OUT)
    assert people.apply().finished == ["2"]
    assert people.query("SELECT DISTINCT email FROM people") == [("a!",)]


def test_a_block_that_is_done_and_cannot_be_recorded_is_never_run_again(
    people: Place, files: ProjectFiles
) -> None:
    refuse_the_record(people, 1, "'no space left' USING ERRCODE = '53100'")
    files.migration("2_do", f"{DONE}\nSELECT 1;", options=OUT)
    told = people.apply()
    assert (told.code, told.error.touched, stands(people)) == (5, True, ("started", 0, True))
    assert "took effect" in told.error.error
    assert "seedbed repair -e dev-test -s user --engine postgres 2 --applied" in told.error.try_
    assert people.apply().code == 5
    assert people.repair("2", Decision.APPLIED).code == 0
    assert people.apply().finished == ["2"]
    assert people.query("SELECT DISTINCT email FROM people") == [("a!",)]


# Files that are edited after a step has failed


FIRST, SECOND = "CREATE TABLE a (id int);", "ALTER TABLE people ADD UNIQUE (emial);"


@pytest.fixture
def half_done(people: Place, files: ProjectFiles) -> Place:
    """A target on which the first of two statements is done, and the second failed."""
    files.migration("2_steps", f"{FIRST}\n{SECOND}", options=OUT)
    told = people.apply()
    assert (told.code, stands(people)) == (5, ("started", 1, False))
    assert "1 step at its beginning" in told.error.try_
    return people


def test_what_comes_after_what_ran_may_be_mended(half_done: Place, files: ProjectFiles) -> None:
    files.migration("2_steps", f"{FIRST}\nALTER TABLE people ADD COLUMN b int;\nSELECT 1;", options=OUT)
    assert half_done.apply().finished == ["2"]
    assert half_done.apply().code == 0
    assert half_done.query("SELECT count(b) FROM people") == [(0,)]


@pytest.mark.parametrize(
    "statements",
    [
        f"CREATE TABLE above (id int);\n{FIRST}\nSELECT 1;",
        "CREATE TABLE other (id int);\nSELECT 1;",
        "SELECT 1;",
    ],
    ids=["put before it", "changed", "gone"],
)
def test_what_ran_is_known_by_what_it_says_and_not_by_its_number(
    half_done: Place, files: ProjectFiles, statements: str
) -> None:
    files.migration("2_steps", statements, options=OUT)
    with pytest.raises(HistoryConflict):
        half_done.apply()
    told = half_done.repair("2", Decision.CHECKSUM)
    assert (told.code, told.error.error_kind) == (3, "HistoryConflict")
    assert "it does not begin with what ran" in told.error.because
    assert half_done.query("SELECT to_regclass('above') IS NULL") == [(True,)]
    assert stands(half_done) == ("started", 1, False)


def test_a_step_in_hand_is_decided_about_before_its_file_is_accepted(
    called: Place, files: ProjectFiles
) -> None:
    files.migration("2_call", "CREATE TABLE a (id int);\nSELECT 1;", options=OUT)
    assert called.repair("2", Decision.CHECKSUM).code == 3
    assert called.repair("2", Decision.APPLIED).code == 3  # what took effect no longer stands there
    assert called.repair("2", Decision.NOT_APPLIED).code == 0
    assert called.apply().finished == ["2"]


def test_a_down_that_failed_says_how_its_file_is_accepted(people: Place, files: ProjectFiles) -> None:
    files.migration("2_steps", FIRST, "DROP TABLE b;", options=OUT)
    assert people.apply().code == 0
    told = people.revert()
    assert (told.code, stands(people)) == (7, ("applied", 0, False))
    assert "seedbed repair -e dev-test -s user --engine postgres 2 --checksum" in told.error.try_
    files.migration("2_steps", FIRST, "DROP TABLE a;", options=OUT)
    assert people.repair("2", Decision.CHECKSUM).code == 0
    assert people.revert().finished == ["2"]


def test_what_the_server_says_is_told_even_of_a_statement_that_fails(
    people: Place, files: ProjectFiles
) -> None:
    files.migration(
        "2_do",
        "DO $$ BEGIN RAISE NOTICE 'one'; END $$;\nDO $$ BEGIN RAISE WARNING 'two'; PERFORM 1 / 0; END $$;",
        options=OUT,
    )
    said = [(each.version, each.severity, each.text) for each in people.apply().of(ServerNotice)]
    assert said == [("2", "NOTICE", "one"), ("2", "WARNING", "two")]


def test_a_block_that_cannot_commit_and_failed_did_nothing(people: Place, files: ProjectFiles) -> None:
    files.migration(
        "2_do",
        "DO $$ BEGIN CREATE TABLE a (id int); IF (SELECT count(DISTINCT email) = 1 FROM people) THEN\n"
        "RAISE EXCEPTION 'twice'; END IF; END $$;",
        options=OUT,
    )
    assert people.apply().code == 7
    mend(people)
    assert people.apply().finished == ["2"]


def test_what_does_all_or_nothing_is_run_again_after_it_failed(people: Place, files: ProjectFiles) -> None:
    options(files, lock_timeout="50ms", lock_retries=20)
    files.migration("2_vacuum", "VACUUM (FULL) people;", options=OUT)
    with writing(people) as blocker:
        told = people.apply(listener=at_retry(2, blocker.rollback))
    assert (told.code, len(told.of(Retrying))) == (0, 2)
