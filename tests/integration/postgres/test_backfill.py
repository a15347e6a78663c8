"""Backfills on a real PostgreSQL: keys of every kind, kills between batches, rows that Python converts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seedbed.engines.postgres.running import rows as writing
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.event import Retrying, WorkProgressed, WorkStarted
from tests.support.postgres.platform import Place, at_retry, options
from tests.support.projects import ProjectFiles

UP = "UPDATE things SET n = n + 1 WHERE id BETWEEN $1 AND $2;"
DOWN = "UPDATE things SET n = n - 1 WHERE id BETWEEN $1 AND $2;"


@pytest.fixture
def place(files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> Place:
    return Place(files.root, postgres_server, {"user": new_database()})


@pytest.fixture
def things(place: Place, files: ProjectFiles) -> Place:
    """A target with ten rows in the table `things`, and a backfill of it in batches of three."""
    files.migration(
        "1_things",
        "CREATE TABLE things (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO things SELECT generate_series(1, 10);",
    )
    assert place.apply().code == 0
    files.migration("2_count", UP, DOWN, directives="phase=migrate\nbackfill=things.id batch=3")
    return place


def python(files: ProjectFiles, text: str, table: str = "things.id", batch: int = 3) -> Path:
    path = files.root / "services" / "user" / "postgres" / "migrations" / "2_rows.py"
    path.write_text(f"# seedbed: phase=migrate backfill={table} batch={batch}\n{text}\n")
    return path


def checkpoint(place: Place, version: str = "2") -> str | None:
    return place.history()[version].checkpoint


# Keys

_KEYS = {
    "bigint": "(ARRAY[-9223372036854775808, -1, 0, 7, 8, 9, 10, 11, 9223372036854775807]::bigint[])[i]",
    "uuid": "md5(i::text)::uuid",
    "text": "(ARRAY['', 'A', 'a', 'a b', 'ä', 'Z', 'z''', 'z\\\"', '東京'])[i]",
    'text COLLATE "C"': "(ARRAY['', 'A', 'a', 'a b', 'ä', 'Z', 'z''', 'z\\\"', '東京'])[i]",
    "timestamptz": "timestamptz '2026-03-29 00:59:59.999999+00' + i * interval '1 microsecond'",
    "numeric": "(10::numeric ^ 20) + i / 7.0",
    "double precision": "1.1 * i / 3",
    "char(3)": "i::text",
    "bytea": "decode(lpad(i::text, 2, '0'), 'hex')",
    "mood": "(enum_range(NULL::mood))[i]",
}


@pytest.mark.parametrize("type_", _KEYS)
def test_every_row_is_visited_once_whatever_the_type_of_its_key(
    place: Place, files: ProjectFiles, type_: str
) -> None:
    files.migration(
        "1_things",
        "CREATE TYPE mood AS ENUM ('i', 'h', 'g', 'f', 'e', 'd', 'c', 'b', 'a');\n"
        f"CREATE TABLE things (id {type_} PRIMARY KEY, n int NOT NULL DEFAULT 0, m int NOT NULL DEFAULT 0);\n"
        f"INSERT INTO things (id) SELECT {_KEYS[type_]} FROM generate_series(1, 9) AS i;",
    )
    files.migration("2_sql", UP, DOWN, directives="backfill=things.id batch=2")
    python(files, "def up(row): return {'m': row['m'] + 1}").rename(
        files.root / "services/user/postgres/migrations/3_rows.py"
    )
    told = place.apply()
    assert told.code == 0, told.events
    assert [each.done for each in told.of(WorkProgressed)] == [2, 4, 6, 8, 9, 3, 6, 9]
    assert {each.total for each in told.of(WorkProgressed)} == {9}  # also of a table without statistics
    assert place.query("SELECT n, m, count(*) FROM things GROUP BY 1, 2") == [(1, 1, 9)]


def test_a_key_that_is_not_unique_makes_batches_larger(place: Place, files: ProjectFiles) -> None:
    files.migration(
        "1_things",
        "CREATE TABLE things (id int NOT NULL, n int DEFAULT 0); INSERT INTO things SELECT i / 5 FROM generate_series(0, 19) AS i;",
    )
    files.migration("2_count", UP, directives="backfill=things.id batch=3")
    assert place.apply().code == 0
    assert place.query("SELECT n, count(*) FROM things GROUP BY 1") == [(1, 20)]


def test_rows_without_a_key_are_named_before_anything_is_done(place: Place, files: ProjectFiles) -> None:
    files.migration(
        "1_things",
        "CREATE TABLE things (id int, n int DEFAULT 0); INSERT INTO things VALUES (1), (NULL), (2);",
    )
    files.migration("2_count", UP, directives="backfill=things.id")
    told = place.apply()
    assert "things has rows without a id" in told.error.error
    place.execute("UPDATE things SET id = 3 WHERE id IS NULL")
    assert place.apply().finished == ["2"]
    assert place.query("SELECT n, count(*) FROM things GROUP BY 1") == [(1, 3)]


@pytest.mark.parametrize("kind", ["sql", "python"])
def test_names_may_have_capitals_and_a_schema(place: Place, files: ProjectFiles, kind: str) -> None:
    files.migration(
        "1_things",
        'CREATE SCHEMA "Shop"; CREATE TABLE "Shop"."Things" ("Id" int PRIMARY KEY, "How many" int DEFAULT 0);'
        'INSERT INTO "Shop"."Things" SELECT generate_series(1, 5);',
    )
    if kind == "sql":
        statement = 'UPDATE "Shop"."Things" SET "How many" = 1 WHERE "Id" BETWEEN $1 AND $2;'
        files.migration("2_count", statement, directives="backfill=Shop.Things.Id batch=2")
    else:
        python(files, "def up(row): return {'How many': 1}", "Shop.Things.Id")
    assert place.apply().code == 0
    assert place.query('SELECT "How many", count(*) FROM "Shop"."Things" GROUP BY 1') == [(1, 5)]


def test_an_empty_table_is_done_at_once(things: Place) -> None:
    things.execute("TRUNCATE things")
    told = things.apply()
    assert (told.finished, told.of(WorkProgressed)) == (["2"], [])


@pytest.mark.parametrize("directives", ["backfill=nowhere.id", "backfill=things.nothing"])
def test_what_is_not_there_is_told(things: Place, files: ProjectFiles, directives: str) -> None:
    path = files.migration("2_count", UP, directives=directives)
    told = things.apply()
    assert (told.code, "does not exist" in told.error.error) == (7, True)
    assert str(told.error.at).endswith(f"{path.name}:3")
    files.migration("2_count", UP, directives="backfill=things.id")  # nothing was done yet: it may be mended
    assert things.apply().finished == ["2"]
    assert things.apply().code == 0


# Batches and checkpoints


def test_a_killed_backfill_goes_on_after_its_last_batch(things: Place) -> None:
    with things.connection() as other:
        other.execute("BEGIN; UPDATE things SET n = n WHERE id = 8")
        things.kill_inside("%UPDATE things%")
    assert checkpoint(things) == "6"
    assert things.query("SELECT count(*) FROM things WHERE n = 1") == [(6,)]
    things.execute("INSERT INTO things VALUES (0), (11)")
    told = things.apply()
    assert told.finished == ["2"]
    assert told.of(WorkStarted)[0].resumed
    # The row that came in behind the checkpoint is not visited: the expand has to make new rows right by itself.
    assert things.query("SELECT id FROM things WHERE n <> 1") == [(0,)]


def test_the_way_back_goes_in_batches_too_and_resumes(things: Place) -> None:
    assert things.apply().code == 0
    with things.connection() as other:
        other.execute("BEGIN; UPDATE things SET n = n WHERE id = 5")
        things.kill_inside("%UPDATE things%", "revert")
    revision = things.history()["2"]
    assert (revision.direction.value, revision.checkpoint) == ("down", "3")
    assert things.revert().finished == ["2"]
    assert things.query("SELECT DISTINCT n FROM things") == [(0,)]
    assert things.versions() == ["1"]


def test_a_batch_that_fails_is_rolled_back_and_those_before_it_stay(things: Place) -> None:
    things.execute("ALTER TABLE things ADD CHECK (n <> 5); UPDATE things SET n = 4 WHERE id = 5")
    told = things.apply()
    assert told.code == 5
    assert "things_n_check" in told.error.error
    assert (checkpoint(things), things.query("SELECT count(*) FROM things WHERE n = 1")) == ("3", [(3,)])
    things.execute("UPDATE things SET n = 0 WHERE id = 5")
    assert things.apply().code == 0
    assert things.query("SELECT DISTINCT n FROM things") == [(1,)]


def test_a_batch_that_gives_way_to_a_lock_is_tried_again(things: Place, files: ProjectFiles) -> None:
    options(files, lock_timeout="50ms", lock_retries=20)
    with things.connection() as other:
        other.execute("BEGIN; UPDATE things SET n = n WHERE id = 5")
        told = things.apply(listener=at_retry(2, other.rollback))
    assert (told.code, len(told.of(Retrying))) == (0, 2)
    assert things.query("SELECT DISTINCT n FROM things") == [(1,)]


def test_a_batch_that_gives_way_too_often_says_what_to_do(things: Place, files: ProjectFiles) -> None:
    options(files, lock_timeout="50ms", lock_retries=1)
    with things.connection() as other:
        other.execute("BEGIN; UPDATE things SET n = n WHERE id = 2")
        told = things.apply()
    assert (told.code, len(told.of(Retrying))) == (7, 1)
    assert "lock timeout" in told.error.error


def test_the_loser_of_a_deadlock_is_tried_again(things: Place, files: ProjectFiles) -> None:
    files.migration(
        "2_count", UP, directives="backfill=things.id batch=10\nlock_timeout=20s"
    )  # one batch: rows 1 to 10
    things.execute(f"ALTER DATABASE {name(things)} SET deadlock_timeout = '2s'")
    with things.connection() as other:
        other.execute("SET deadlock_timeout = '1h'; BEGIN; UPDATE things SET n = n WHERE id = 9")
        first = threading.Thread(target=lock_first, args=[things, other])
        first.start()
        told = things.apply()
        first.join()
    assert told.code == 0
    assert [each.because.split("\n")[0] for each in told.of(Retrying)] == ["deadlock detected"]
    assert things.query("SELECT DISTINCT n FROM things") == [(1,)]


def name(place: Place) -> str:
    return str(place.query("SELECT current_database()")[0][0])


def lock_first(place: Place, other: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Ask for row 1 once the backfill has it and waits for row 9; that one looks for a deadlock, and finds it."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not place.query(waiting):
        time.sleep(0.02)
    other.execute("UPDATE things SET n = n WHERE id = 1")
    other.rollback()


def test_settings_hold_for_every_batch_and_not_beyond(things: Place, files: ProjectFiles) -> None:
    up = "UPDATE things SET n = extract(epoch FROM current_setting('statement_timeout')::interval) WHERE id BETWEEN $1 AND $2;"
    files.migration("2_count", up, directives="backfill=things.id batch=3\nstatement_timeout=77s")
    files.migration("3_asks", "CREATE TABLE asked AS SELECT current_setting('statement_timeout');")
    assert things.apply().code == 0
    assert things.query("SELECT DISTINCT n FROM things") == [(77,)]
    assert things.query("TABLE asked") == [("0",)]


# Rows in Python


@pytest.fixture
def rows(place: Place, files: ProjectFiles) -> Place:
    """A target with a table of many types in which every update is counted."""
    files.migration(
        "1_things",
        """CREATE TABLE things (
    id int PRIMARY KEY, js json, jb jsonb, tags text[], docs jsonb[], at timestamptz, price numeric, note text,
    loud text GENERATED ALWAYS AS (upper(note)) STORED, writes int NOT NULL DEFAULT 0);
INSERT INTO things (id, js, jb, tags, docs, at, price, note)
SELECT i, '{"b": 1,   "a": 2}', '{"n": 1, "list": [1, 2]}', '{x,NULL}', ARRAY['{"a": 1}']::jsonb[], '2026-01-01', 1.10, 'n' || i
FROM generate_series(1, 7) AS i;
CREATE FUNCTION count_writes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.writes := OLD.writes + 1; RETURN NEW; END';
CREATE TRIGGER count_writes BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION count_writes();""",
    )
    assert place.apply().code == 0
    return place


def test_documents_lists_and_values_are_written_as_what_they_are(rows: Place, files: ProjectFiles) -> None:
    python(
        files,
        """from decimal import Decimal
def up(row):
    row["tags"].append("ä\\"\\\\{}")  # in place: it is a change all the same
    row["jb"]["list"].append(None)
    return {"js": {"z": 1, "a": [True]}, "jb": row["jb"], "tags": row["tags"], "docs": [*row["docs"], None, {"b": 2}],
            "at": row["at"].replace(year=2027), "price": row["price"] + Decimal("0.05"), "note": None}
""",
    )
    assert rows.apply().code == 0
    query = "SELECT DISTINCT js::text, jb::text, tags, docs::text, at::text, price::text, note, loud, writes FROM things"
    (found,) = rows.query(query)
    assert found == (
        '{"z": 1, "a": [true]}', '{"n": 1, "list": [1, 2, null]}', ["x", None, 'ä"\\{}'],
        '{"{\\"a\\": 1}",NULL,"{\\"b\\": 2}"}', found[4], "1.15", None, None, 1,
    )  # fmt: skip
    assert found[4].startswith("2027-01-01")


def test_rows_that_stay_as_they_are_are_not_written(rows: Place, files: ProjectFiles) -> None:
    python(
        files,
        """def up(row):
    if row["id"] == 2:
        return None
    if row["id"] == 3:
        return {"jb": {"n": True, "list": [1, 2]}}  # not the document that it was, although 1 == True
    return {**row, "jb": {"list": [1, 2], "n": 1}, "tags": list(row["tags"])}
""",
    )
    assert rows.apply().code == 0
    assert rows.query("SELECT id, jb ->> 'n' FROM things WHERE writes > 0") == [(3, "true")]


@pytest.mark.parametrize(
    ("value", "column"),
    [("f'new {row[\"id\"]}'", "note"), ("[str(row['id'])]", "tags"), ("row['id'] / 4", "price")],
)
def test_a_function_may_return_one_dict_for_all_rows(
    rows: Place, files: ProjectFiles, value: str, column: str
) -> None:
    python(files, f"same = {{}}\ndef up(row):\n    same['{column}'] = {value}\n    return same")
    assert rows.apply().code == 0
    assert rows.query(f"SELECT count(DISTINCT {column}) FROM things") == [(7,)]


def test_a_function_may_return_one_list_for_all_rows(rows: Place, files: ProjectFiles) -> None:
    python(files, "seen = []\ndef up(row):\n    seen.append(str(row['id']))\n    return {'tags': seen}")
    assert rows.apply().code == 0
    assert rows.query("SELECT cardinality(tags) FROM things ORDER BY id") == [(n,) for n in range(1, 8)]


def test_values_reach_a_column_as_a_parameter_of_their_own_would(place: Place, files: ProjectFiles) -> None:
    files.migration(
        "1_things",
        """CREATE DOMAIN short AS varchar(4) CHECK (value <> 'bad');
CREATE TABLE things (
    id int PRIMARY KEY, n int, big bigint, price numeric(8, 2), code char(4), word short, raw bytea, at timestamptz(0),
    ok boolean, list int[], span int4range);
INSERT INTO things (id) SELECT generate_series(1, 6);""",
    )
    python(
        files,
        r"""from datetime import datetime, timezone
from decimal import Decimal
from psycopg.types.range import Range
def up(row):
    changes = {"n": [2.5, Decimal("1.4"), 7, None, 3.0, 8][row["id"] - 1], "big": 2 ** 62, "price": "1.005",
               "code": "a", "word": "ä'\\"}
    if row["id"] % 2:
        changes |= {"raw": b"\\0'", "at": datetime(2026, 1, 1, 0, 0, 0, 700000, timezone.utc), "ok": True,
                    "list": [row["id"], None], "span": Range(1, row["id"] + 1)}
    return changes
""",
        batch=6,
    )
    assert place.apply().code == 0
    assert place.query("SELECT n FROM things ORDER BY id") == [(2,), (1,), (7,), (None,), (3,), (8,)]
    common = (2**62, "1.01", "a   ", "ä'\\")
    assert place.query("SELECT DISTINCT big, price::text, code, word FROM things") == [common]
    assert place.query("SELECT raw, at::text, ok, list, span::text FROM things WHERE id = 5") == [
        (b"\\0'", "2026-01-01 00:00:01+00", True, [5, None], "[1,6)")
    ]


@pytest.mark.parametrize("returned", ["'longer'", "'bad'"])
def test_a_value_that_its_column_does_not_take_is_not_cut(
    place: Place, files: ProjectFiles, returned: str
) -> None:
    files.migration(
        "1_things",
        "CREATE DOMAIN short AS varchar(4) CHECK (value <> 'bad');"
        "CREATE TABLE things (id int PRIMARY KEY, word short); INSERT INTO things SELECT generate_series(1, 3);",
    )
    python(files, f"def up(row): return {{'word': {returned}}}")
    assert place.apply().code == 5
    assert place.query("SELECT DISTINCT word FROM things") == [(None,)]


def test_what_is_too_large_for_one_statement_is_written_in_several(
    rows: Place, files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_LARGEST", 60)
    python(
        files,
        "def up(row): return {'note': 'x' * 20 + str(row['id'])} if row['id'] != 4 else {'note': 'n4'}",
        batch=7,
    )
    assert rows.apply().code == 0
    assert rows.query("SELECT note FROM things WHERE writes = 1 ORDER BY id") == [
        (f"{'x' * 20}{number}",) for number in (1, 2, 3, 5, 6, 7)
    ]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("{'id': 8}", "column 'id' is not one it may change"),
        ("{'nothing': 8}", "column 'nothing' is not one it may change"),
        ("['note']", "it returns a list"),
        ("{'note': object()}", "cannot adapt type 'object'"),
        ("{'note': 'a\\0'}", "NUL"),
        ("{'note': 'a\\ud800'}", "half a character"),
        ("{'note': 'a\\0', 'jb': None}", "NUL"),
        ("{'jb': {1, 2}}", "not JSON serializable"),
        ("{'price': 10 ** 5000}", "limit"),
    ],
)
def test_a_row_that_cannot_be_converted_is_named_with_the_line(
    rows: Place, files: ProjectFiles, returned: str, said: str
) -> None:
    path = python(files, f"def up(row):\n    return {returned} if row['id'] == 5 else {{'note': 'new'}}")
    told = rows.apply()
    assert told.code == 5
    assert "row 5 fails" in told.error.error
    assert said in told.error.error
    assert str(told.error.at).endswith(path.name + (":3" if "/" in returned else ":1"))
    assert rows.query("SELECT id FROM things WHERE note = 'new' ORDER BY 1") == [(1,), (2,), (3,)]
    assert checkpoint(rows) == "3"


def test_what_the_server_refuses_of_a_row_ends_its_batch(rows: Place, files: ProjectFiles) -> None:
    rows.execute("ALTER TABLE things ADD CHECK (note <> 'bad')")
    python(files, "def up(row):\n    return {'note': 'bad' if row['id'] == 5 else 'new'}")
    told = rows.apply()
    assert "things_note_check" in told.error.error
    assert "(5, " in told.error.because
    assert rows.query("SELECT count(*) FROM things WHERE note = 'new'") == [(3,)]
    rows.execute("ALTER TABLE things DROP CONSTRAINT things_note_check")
    assert rows.apply().finished == ["2"]
    assert rows.query("SELECT count(*) FROM things WHERE note = 'new'") == [(6,)]


def test_code_that_fails_when_it_is_loaded_is_told_and_nothing_is_begun(
    rows: Place, files: ProjectFiles
) -> None:
    path = python(files, "import nowhere_to_be_found\n\ndef up(row): return None")
    told = rows.apply()
    assert (told.code, str(told.error.at).endswith(f"{path.name}:2")) == (7, True)
    assert "nowhere_to_be_found" in told.error.because
    assert "2" not in rows.history()


def test_rows_that_share_a_key_cannot_be_written_back_and_are_refused(
    place: Place, files: ProjectFiles
) -> None:
    files.migration(
        "1_things", "CREATE TABLE things (id int NOT NULL, n int); INSERT INTO things VALUES (1, 1), (1, 2);"
    )
    python(files, "def up(row): return {'n': row['n'] + 1}")
    assert "1 is the id of more than one row" in place.apply().error.error
    assert place.query("SELECT n FROM things ORDER BY 1") == [(1,), (2,)]


def test_both_functions_of_a_file_are_there_and_back(things: Place, files: ProjectFiles) -> None:
    (files.root / "services/user/postgres/migrations/2_count.sql").unlink()
    python(
        files,
        "def up(row): return {'n': row['id'] * 10}\n\ndef down(row): return {'n': row['n'] - row['id'] * 10}",
    )
    assert things.apply().finished == ["2"]
    assert things.query("SELECT sum(n) FROM things") == [(550,)]
    assert things.revert().finished == ["2"]
    assert things.query("SELECT DISTINCT n FROM things") == [(0,)]
