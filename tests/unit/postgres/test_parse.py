"""Migration files of PostgreSQL: what they may be, and what they are told when they are not."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

from seedbed.engines.postgres.files.grammar import statement_spans
from seedbed.engines.postgres.files.parse import parse
from seedbed.engines.postgres.files.placed import line_of
from seedbed.engines.postgres.files.text import MigrationText
from seedbed.engines.postgres.running.steps import line_of_statement
from seedbed.errors import MigrationFileError, SeedbedError
from seedbed.model.migration import Backfill, Migration, MigrationFile, MigrationRef, Phase, Source


def read(text: str | bytes, suffix: str = ".sql") -> Migration:
    data = text.encode() if isinstance(text, str) else text
    return parse(MigrationFile("1", "name", Source(f"1_name{suffix}", suffix, data), "checksum"))


def refused(text: str | bytes, suffix: str = ".sql") -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        read(text, suffix)
    assert caught.value.at is not None
    return caught.value


def line(error: MigrationFileError) -> int:
    assert error.at is not None
    return error.at.line


# --- sections -------------------------------------------------------------------------------------------


def test_a_section_is_one_atomic_step_from_its_first_statement_to_its_last() -> None:
    migration = read(
        "-- about\n\n-- migrate:up\n\n/* why */\nCREATE TABLE a (x int); -- between\nCREATE TABLE b (y int); -- end\n"
        "\n-- migrate:down\nDROP TABLE b; DROP TABLE a -- no semicolon\n"
    )
    (up,), (down,) = migration.up, migration.down
    assert up.body == "CREATE TABLE a (x int); -- between\nCREATE TABLE b (y int)"
    assert (up.line, up.atomic, up.repeatable, up.keeps_session) == (6, True, False, True)
    assert up.summary == "2 statements: CREATE TABLE a, CREATE TABLE b"
    assert (down.body, down.line) == ("DROP TABLE b; DROP TABLE a", 10)
    assert migration.phase is Phase.EXPAND


DBMATE = [
    "-- migrate:up\ncreate table users (id serial, name text);\n\n-- migrate:down\ndrop table users;\n",
    "--migrate:up\ncreate table users (id int);\n--  migrate:down  \ndrop table users;",
    "-- migrate:up\ncreate table users (id int)\n-- migrate:down\ndrop table users",
    "-- some comment\n\n-- migrate:up transaction:true\nselect 1;\n-- migrate:down\n",
    "\n-- migrate:up\r\ncreate table users (id int);\r\n\r\n-- migrate:down\r\ndrop table users;\r\n",
    "-- migrate:up\n",
    "-- migrate:up\n\n-- migrate:down\n",
]


@pytest.mark.parametrize("blank", ["", " transaction:false"])
def test_an_up_that_was_left_blank_does_nothing(blank: str) -> None:
    assert read(f"-- what it is for\n-- migrate:up{blank}\n\n-- migrate:down\nSELECT 1;\n").up == ()
    assert read(f"-- migrate:up{blank}\n-- nothing\n").up == ()
    assert len(read("-- migrate:up\n-- migrate:down\n-- migrate:up\nSELECT 1;\n-- migrate:down\n").up) == 1


@pytest.mark.parametrize("text", DBMATE, ids=range(len(DBMATE)))
def test_a_file_of_dbmate_parses_unchanged(text: str) -> None:
    migration = read(text)
    assert len(migration.up) <= 1
    assert len(migration.down) <= 1


def test_without_transaction_each_statement_is_a_step() -> None:
    migration = read(
        "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY t_a_idx ON s.t (a);;\n"
        "ALTER TYPE mood ADD VALUE 'calm';\n\nCALL convert()\n-- migrate:down\nDROP INDEX s.t_a_idx;"
    )
    assert [(each.index, each.body, each.line, each.atomic) for each in migration.up] == [
        (0, "CREATE INDEX CONCURRENTLY t_a_idx ON s.t (a)", 2, False),
        (1, "ALTER TYPE mood ADD VALUE 'calm'", 3, True),
        (2, "CALL convert()", 5, False),
    ]
    assert migration.up[0].summary == "CREATE INDEX CONCURRENTLY t_a_idx ON s.t"
    assert migration.down[0].atomic


def test_a_migration_of_comments_alone_has_no_steps() -> None:
    assert read("-- migrate:up\n-- nothing /* yet */\n").up == ()


@pytest.mark.parametrize(
    ("text", "at", "what"),
    [
        ("", 0, "the file has no `-- migrate:up`"),
        ("create table a (x int);", 0, "the file has no `-- migrate:up`"),
        ("\n// migrate:up\nselect 1;", 2, "the file has no `-- migrate:up`"),
        ("-- migrate:down\nselect 1", 0, "the file has no `-- migrate:up`"),
        ("-- migrate:down\n-- migrate:up\n", 1, "`-- migrate:down` comes before `-- migrate:up`"),
        (
            "-- migrate:up\n\n-- migrate:up\n-- migrate:down",
            1,
            "this `-- migrate:up` has no `-- migrate:down`",
        ),
        ("-- migrate:up\n-- migrate:down\n-- migrate:up", 3, "this `-- migrate:up` has no `-- migrate:down`"),
        (
            "-- migrate:up\n-- migrate:down\n-- migrate:down",
            3,
            "there are two sections `-- migrate:down` after one `-- migrate:up`",
        ),
        ("-- x\nselect 1;\n-- migrate:up\n", 2, "something stands before `-- migrate:up`"),
        ("-- migrate:up foo:bar", 1, "a section has no option 'foo:bar'"),
        ("-- migrate:up transaction:no", 1, "a section has no option 'transaction:no'"),
        ("-- migrate:up -- users", 1, "a section has no option '--'"),
        ("-- migrate:up\n-- migrate:dwon\n", 2, "-- migrate:dwon is nearly the mark of a section"),
        ("-- migrate:up\n-- Migrate:Down\n", 2, "-- Migrate:Down is nearly the mark of a section"),
        ("-- migrate:up\n  -- migrate:down\n", 2, "-- migrate:down is nearly the mark of a section"),
        ("-- migrate:up\n-- migrate: down\n", 2, "-- migrate: down is nearly the mark of a section"),
        ("/*\n-- migrate:up\n*/", 2, "the file has no `-- migrate:up` that counts"),
        ("-- migrate:up\n-- seedbed: phase=contract\n", 2, "directives have no effect here"),
    ],
    ids=range(18),
)
def test_sections_out_of_order_are_refused_with_their_line(text: str, at: int, what: str) -> None:
    error = refused(text)
    assert (line(error), error.what) == (at, what)


def test_pairs_of_sections_are_one_migration_whose_downs_go_backwards() -> None:
    pairs = (
        "-- migrate:up\nCREATE TABLE users (id int);\n\n-- migrate:down\nDROP TABLE users;\n\n"
        "-- migrate:up\nALTER TABLE users\n  ADD COLUMN email text;\n-- migrate:down\n"
        "ALTER TABLE users DROP COLUMN email; -- it\n"
    )
    migration = read(pairs)
    (up,), (down,) = migration.up, migration.down
    assert up.body == "CREATE TABLE users (id int)\n;\nALTER TABLE users\n  ADD COLUMN email text"
    assert down.body == "ALTER TABLE users DROP COLUMN email\n;\nDROP TABLE users"
    assert up.atomic
    assert up.summary == "CREATE TABLE users, ALTER TABLE users ADD COLUMN email"
    assert [line_of(up, up.body.index(each)) for each in ("CREATE", "ALTER", "email")] == [2, 8, 9]
    assert [line_of_statement(down, number) for number in (0, 1, 2)] == [11, 5, 0]
    apart = read(pairs.replace("migrate:up\nALTER", "migrate:up transaction:false\nALTER"))
    assert [(each.index, each.line) for each in apart.up] == [(0, 2), (1, 8)]


def test_an_empty_down_is_remembered_and_one_of_several_is_no_way_back() -> None:
    assert read("-- migrate:up\nSELECT 1;\n\n-- migrate:down\n-- nothing\n").down_line == 4
    assert read("-- migrate:up\nSELECT 1;\n").down_line == 0
    several = read("-- migrate:up\nSELECT 1;\n-- migrate:down\n-- migrate:up\n-- migrate:down\nSELECT 2;\n")
    assert (several.down, several.down_line) == ((), 3)


@pytest.mark.parametrize(
    "hidden",
    [
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$\n-- migrate:down\nSELECT 'x' $$",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $body$\n-- migrate:down\n$$ $body$",
        "SELECT '\n-- migrate:down\n'",
        "SELECT E'\\'\n-- migrate:down\n'",
        'SELECT 1 AS "\n-- migrate:down\n"',
        "SELECT 1 /* /* */\n-- migrate:down\n*/",
        "SELECT U&'\n-- migrate:down\n'",
        "SELECT 1 -- migrate:down",
        "-- migrate: prose about the users\nSELECT 1",
    ],
    ids=range(9),
)
def test_a_mark_counts_only_as_a_comment_of_its_own(hidden: str) -> None:
    migration = read(f"-- migrate:up\n{hidden};\n-- migrate:down\nDROP TABLE a")
    assert [each.line for each in migration.down] == [hidden.count("\n") + 4]


# --- text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_lines_are_counted_whatever_ends_them_and_bodies_have_line_feeds(newline: str) -> None:
    text = "-- migrate:up\n\nCREATE TABLE a (\n  x int\n);\n-- migrate:down\nDROP TABLE a;"
    migration = read("\ufeff" + text.replace("\n", newline))
    assert (migration.up[0].line, migration.up[0].body) == (3, "CREATE TABLE a (\n  x int\n)")
    assert migration.down[0].line == 7


@pytest.mark.parametrize(
    ("data", "at", "what"),
    [
        (b"-- migrate:up\r\nselect '\xe4'", 2, "the file is not UTF-8: byte 23 is 0xe4"),
        (b"\xef\xbb\xbf\xff", 1, "the file is not UTF-8: byte 3 is 0xff"),
        ("-- migrate:up\n".encode("utf-16"), 1, "the file is not UTF-8: byte 0 is 0xff"),
        (b"-- migrate:up\nselect 1;\n\0drop", 3, "the file has a NUL byte"),
        (b"-- migrate:up\nselect 1;\n\\restrict abc", 3, "\\restrict abc is not SQL"),
        (b"-- migrate:up\n\\echo it's\nselect 1;", 2, "\\echo it's is not SQL"),
        (b"-- migrate:up\nselect 1 \\gset", 2, "\\gset is not SQL"),
        (b"\\unrestrict abc\n-- migrate:up\n", 1, "\\unrestrict abc is not SQL"),
        (b"-- migrate:up\nselect 1;\nselect 'x;\n\n", 3, "unclosed string"),
        (b"-- migrate:up\nselect 1;\n /* x /* */\n", 3, "unclosed comment"),
        (b"-- migrate:up\ndo $x$ begin end $$;\n", 2, "unclosed dollar-quoted string"),
        (b'-- migrate:up\nselect "x\n', 2, "unclosed quoted name"),
        (b"-- migrate:up\n\nselect selekt from;\n", 3, 'syntax error at or near ";"'),
        (b"-- migrate:up\ncreate table a (\n-- migrate:down\n", 2, "syntax error at end of input"),
        (b"-- migrate:up\nselect 1e;", 2, 'trailing junk after numeric literal at or near "1e"'),
    ],
    ids=range(15),
)
def test_what_is_no_sql_is_refused_with_its_line(data: bytes, at: int, what: str) -> None:
    error = refused(data)
    assert (line(error), error.what) == (at, what)


def test_a_syntax_error_counts_columns_in_characters() -> None:
    error = refused("-- é\n-- migrate:up\nselect 'éé' oops oops;")
    assert str(error.at) == "1_name.sql:3:18"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a" * 64, "a" * 63 + "b"),
        ("é" * 32, "é" * 31 + "ö" * 9),
        ('"' + "a b" * 22 + '"', '"' + "a b" * 21 + 'c"'),
        ('U&"' + r"\00e9" * 32 + '"', "é" * 33),
    ],
    ids=range(4),
)
def test_two_names_that_the_server_would_make_one_of_are_refused(one: str, other: str) -> None:
    error = refused(f"-- migrate:up\nCREATE TABLE t (\n{one} int);\nDROP INDEX IF EXISTS {other};")
    assert line(error) == 4
    assert error.what.endswith("and a name on line 3 are one to PostgreSQL")


@pytest.mark.parametrize(
    "name",
    [
        "a" * 63,
        "a" * 99,
        '"' + '""' * 63 + '"',
        'U&"' + r"\00e9" * 31 + '"',
        'U&"' + r"\00e9" * 32 + '"',
        "x /*" + "a" * 99 + "*/",
    ],
    ids=range(6),
)
def test_a_long_name_is_the_same_wherever_it_is_written(name: str) -> None:
    assert read(
        f"-- migrate:up\nCREATE TABLE t ({name} int DEFAULT length('{'a' * 99}'));\nDROP TABLE {name}"
    ).up


def test_the_same_long_name_is_one_in_any_case_and_in_quotes() -> None:
    long = "index_by_all_columns_that_anybody_could_ever_wish_to_look_for_in_here"
    assert read(
        f'-- migrate:up\nCREATE INDEX {long.upper()} ON t (a);\n-- migrate:down\nDROP INDEX "{long}";'
    ).down


# --- everything at once ---------------------------------------------------------------------------------


def findings(text: str) -> list[tuple[int, str]]:
    with pytest.raises(SeedbedError) as caught:
        read(text)
    return [(each.at.line if each.at else 0, each.what) for each in caught.value.errors]


def test_everything_that_is_wrong_in_a_file_is_named_at_once_and_by_line() -> None:
    assert findings(
        "-- seedbed: phase=late\n"
        "-- seedbed: nonsense\n"
        "select 1;\n"
        "-- migrate:up transaktion:no\n"
        "BEGIN;\n"
        "\\echo it's\n"
        "SELEKT 1;\n"
        "CREATE TABLE t (a int;\n"
        "SELECT $1;\n"
        "COMMIT;\n"
        "-- migrate:down\n"
        "VACUUM;\n"
        "DISCARD ALL;\n"
    ) == [
        (1, "`phase=late` is not understood"),
        (2, "there is no directive 'nonsense'"),
        (3, "something stands before `-- migrate:up`"),
        (4, "a section has no option 'transaktion:no'"),
        (5, "a migration does not control its own transaction"),
        (6, "\\echo it's is not SQL"),
        (7, 'syntax error at or near "SELEKT"'),
        (8, 'syntax error at or near ";"'),
        (10, "a migration does not control its own transaction"),
        (12, "VACUUM cannot run inside a transaction block"),
        (13, "DISCARD ALL would give up the lease"),
    ]


def test_what_follows_a_mark_that_is_not_quite_one_is_no_further_finding() -> None:
    text = "-- migrate:up\nCREATE TABLE t (a int)\n  -- migrate:down\nDROP TABLE t\n"
    assert findings(text) == [(3, "-- migrate:down is nearly the mark of a section")]


def test_each_parameter_without_a_value_is_named() -> None:
    assert findings("-- migrate:up\nSELECT $1;\nSELECT $2;\nPREPARE p AS SELECT $1;\n") == [
        (2, "$1 has no value"),
        (3, "$2 has no value"),
    ]


def test_a_file_with_too_many_findings_names_the_first_hundred() -> None:
    assert len(findings("-- migrate:up\n" + "COMMIT;\n" * 500)) == 100


def test_rows_behind_a_copy_are_named_as_such_and_the_rest_is_read() -> None:
    assert findings(
        "-- migrate:up\nCREATE TABLE t (a text);\n"
        "COPY public.t (a) FROM stdin;\nit's\n\\N\n1;2\n\\.\n\n"
        '  copy t from stdin with (format csv);\n"x\n\\.\n'
        "SELEKT;\n-- migrate:down\nDROP TABLE t;\n"
    ) == [
        (3, "COPY … FROM STDIN has no data to read"),
        (9, "COPY … FROM STDIN has no data to read"),
        (12, 'syntax error at or near "SELEKT"'),
    ]
    assert read("-- migrate:up\nSELECT '\ncopy t from stdin;\n\\.\n';").up


def test_the_advice_about_a_transaction_is_none_that_the_file_has_followed() -> None:
    inside, outside = refused("-- migrate:up\nCOMMIT;"), refused("-- migrate:up transaction:false\nCOMMIT;")
    assert "transaction:false" in inside.try_
    assert outside.try_ == (
        "leave it out, and give what has to commit together a migration of its own, without transaction:false"
    )


# --- statements that have no place ----------------------------------------------------------------------

OUTSIDE = [
    "CREATE INDEX CONCURRENTLY i ON t (a)",
    "DROP INDEX CONCURRENTLY i",
    "REINDEX INDEX CONCURRENTLY i",
    "REINDEX TABLE CONCURRENTLY t",
    "REINDEX SCHEMA s",
    "REINDEX DATABASE d",
    "REINDEX SYSTEM d",
    "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
    "VACUUM t",
    "VACUUM (ANALYZE)",
    "CLUSTER",
    "CREATE DATABASE d",
    "DROP DATABASE d",
    "ALTER DATABASE d SET TABLESPACE x",
    "CREATE TABLESPACE x LOCATION '/x'",
    "DROP TABLESPACE x",
    "ALTER SYSTEM SET work_mem = '1MB'",
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
    "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
    "ALTER SUBSCRIPTION s ADD PUBLICATION p",
]
EITHER = [
    "CALL f()",
    "DO $$ BEGIN END $$",
    "CLUSTER t",
    "REINDEX TABLE t",
    "REINDEX INDEX i",
    "DROP SUBSCRIPTION s",
]
INSIDE = [
    "ALTER TYPE e ADD VALUE 'x'",
    "ANALYZE t",
    "ALTER TABLE t DETACH PARTITION p FINALIZE",
    "ALTER TABLE t DETACH PARTITION p",
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)",
    "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = off)",
    "ALTER SUBSCRIPTION s ENABLE",
    "ALTER DATABASE d SET work_mem = '1MB'",
    "REINDEX (CONCURRENTLY 0, VERBOSE) TABLE t",
    "LOCK TABLE t",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "DISCARD PLANS",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
]


@pytest.mark.parametrize("statement", OUTSIDE)
def test_what_no_transaction_can_hold_is_refused_in_one_and_a_step_that_is_not_atomic(statement: str) -> None:
    error = refused(f"-- migrate:up\nSELECT 1;\n{statement};")
    assert line(error) == 3
    assert "cannot run inside a transaction block" in error.what
    assert error.try_ == "-- migrate:up transaction:false"
    (step,) = read(f"-- migrate:up transaction:false\n{statement};").up
    assert not step.atomic


@pytest.mark.parametrize("statement", EITHER)
def test_what_may_commit_inside_is_atomic_only_in_a_transaction(statement: str) -> None:
    assert read(f"-- migrate:up\n{statement};").up[0].atomic
    assert not read(f"-- migrate:up transaction:false\n{statement};").up[0].atomic


@pytest.mark.parametrize("statement", INSIDE)
def test_what_a_transaction_can_hold_is_atomic_everywhere(statement: str) -> None:
    assert read(f"-- migrate:up\n{statement};").up[0].atomic
    if not statement.startswith("REINDEX"):
        assert read(f"-- migrate:up transaction:false\n{statement};").up[0].atomic


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        *[
            (each, "a migration does not control its own transaction")
            for each in (
                "BEGIN",
                "START TRANSACTION READ ONLY",
                "COMMIT",
                "END",
                "ROLLBACK",
                "ABORT",
                "SAVEPOINT a",
                "RELEASE a",
                "ROLLBACK TO a",
                "PREPARE TRANSACTION 'x'",
                "COMMIT PREPARED 'x'",
                "ROLLBACK PREPARED 'x'",
            )
        ],
        ("COPY t FROM STDIN", "COPY … FROM STDIN has no data to read"),
        ("COPY t TO STDOUT", "COPY … TO STDOUT has no client to write to"),
        ("COPY (SELECT 1) TO STDOUT", "COPY … TO STDOUT has no client to write to"),
        ("DISCARD ALL", "DISCARD ALL would give up the lease"),
        ("SELECT 1, pg_advisory_unlock_all()", "pg_advisory_unlock_all() would give up the lease"),
        ("SELECT pg_catalog.pg_advisory_unlock_all()", "pg_advisory_unlock_all() would give up the lease"),
        ("CREATE INDEX CONCURRENTLY ON t (a)", "CREATE INDEX CONCURRENTLY needs a name here"),
        ("REINDEX SCHEMA CONCURRENTLY s", "REINDEX … CONCURRENTLY of everything at once"),
        ("REINDEX (CONCURRENTLY) DATABASE d", "REINDEX … CONCURRENTLY of everything at once"),
        ("SELECT $1", "$1 has no value"),
    ],
)
@pytest.mark.parametrize("mode", ["", " transaction:false"], ids=["inside", "outside"])
def test_what_has_no_place_in_a_migration_is_refused_with_its_line(
    statement: str, what: str, mode: str
) -> None:
    for text in (
        f"-- migrate:up{mode}\nSELECT ';';\n\n{statement};",
        f"-- migrate:up\n;\n-- migrate:down{mode}\n{statement}",
    ):
        error = refused(text)
        assert (line(error), error.what) == (4, what)


def test_parameters_of_functions_are_their_own() -> None:
    read(
        "-- migrate:up\nCREATE FUNCTION f(int) RETURNS int LANGUAGE sql RETURN $1 + 1; PREPARE p AS SELECT $1;"
    )
    read(
        "-- migrate:up\nCREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'select $1'; SELECT '$1', \"$2\";"
    )


# --- what the server gets -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail",
    [
        "",
        ";",
        " -- c",
        "; -- c",
        " /* c */ ; /* d */ -- e",
        "; ;;",
        "\n-- a\n-- b",
        " /* -- */",
        "\n/* a /* b */ */\n;",
    ],
    ids=range(9),
)
def test_nothing_after_a_body_can_swallow_what_is_appended_to_it(tail: str) -> None:
    assert read(f"-- migrate:up\nSELECT '-- x'{tail}\n-- migrate:down\n").up[0].body == "SELECT '-- x'"


def test_the_spans_of_statements_are_in_characters() -> None:
    body = "SELECT 'é;'; /* ü */ SELECT 2 -- ö\n;\nSELECT 3"
    assert [body[start:end] for start, end in statement_spans(body)] == [
        "SELECT 'é;'",
        "SELECT 2",
        "SELECT 3",
    ]


# --- directives ----------------------------------------------------------------------------------------------


def test_the_header_says_how_a_migration_is_carried_out() -> None:
    migration = read(
        '-- seedbed: phase=contract lock_timeout=5s\n  -- seedbed: irreversible because "gone is gone"\n'
        "-- seedbed: after=a/b:1,c/d:2\n-- seedbed: after=e/f:3 overtake=7,8 statement_timeout=0\n"
        '/* -- seedbed: nonsense */\n-- seedbed: allow=PG204 because "it is empty"\n-- migrate:up\nDROP TABLE a;'
    )
    assert migration.phase is Phase.CONTRACT
    assert migration.settings == {"lock_timeout": "5s", "statement_timeout": "0"}
    assert migration.irreversible is not None
    assert migration.irreversible.because == "gone is gone"
    assert [str(each) for each in migration.after] == ["a/b:1", "c/d:2", "e/f:3"]
    assert migration.after[0] == MigrationRef("a/b", "1")
    assert migration.overtakes == ("7", "8")
    assert [(each.code, each.because) for each in migration.allows] == [("PG204", "it is empty")]


def test_a_migration_declared_repeatable_makes_steps_repeatable_whose_outcome_can_be_unknown() -> None:
    migration = read(
        '-- seedbed: repeatable because "upserts"\n-- migrate:up transaction:false\nCALL f(); CREATE TABLE a ();'
    )
    assert [each.repeatable for each in migration.up] == [True, False]


@pytest.mark.parametrize(
    "directives",
    [
        "phase=sometime",
        "phase",
        "after=1",
        "after=a:1",
        "after=a/b:",
        "overtake",
        "lock_timeout=5",
        "lock_timeout=5sec",
        "lock_timeout=-1s",
        "lock_timeout=99d",
        "lock_timeout=100us",
        "statement_timeout=٣s",
        "irreversible",
        'irreversible=yes because "x"',
        "repeatable",
        'repeatable=yes because "x"',
        "batch=5",
        "backfill=users",
        "backfill=a.b.c.d",
        "backfill=users.",
        f"backfill=users.{'a' * 64}",
        "backfill=users.id batch=0",
        "backfill=users.id batch=100001",
        "backfill=users.id batch=many",
        "allow=PG204",
        'allow=whatever because "x"',
        'allow=PG204,x because "x"',
        "fase=contract",
        "phase=expand phase=contract",
    ],
)
def test_a_directive_that_is_not_understood_is_refused_with_its_line(directives: str) -> None:
    body = "-- migrate:up\nUPDATE users SET a = 1 WHERE id BETWEEN $1 AND $2"
    assert line(refused(f"-- about\n-- seedbed: {directives}\n{body}")) == 2


def test_an_unknown_directive_is_answered_with_the_one_that_was_meant() -> None:
    assert refused("-- seedbed: lock_timout=5s\n-- migrate:up\n").try_ == "did you mean 'lock_timeout'?"


def test_a_way_back_and_none_contradict_each_other() -> None:
    head = '-- x\n-- seedbed: irreversible because "x"\n-- migrate:up\nSELECT 1;\n-- migrate:down\n'
    assert read(head + "-- nothing").down == ()
    assert line(refused(head + "SELECT 1")) == 2


# --- backfills ------------------------------------------------------------------------------------------

BACKFILL = "-- seedbed: backfill=app.users.id batch=50\n-- migrate:up{}\n"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE app.users SET a = b WHERE id BETWEEN $1 AND $2",
        "INSERT INTO c SELECT * FROM app.users WHERE id >= $1 AND id <= $2 ON CONFLICT DO NOTHING",
        "DELETE FROM app.users WHERE id BETWEEN $1 AND $2",
        "WITH x AS (SELECT 1) UPDATE app.users SET a = b WHERE id BETWEEN $1 AND $2",
        "WITH x AS (DELETE FROM app.users WHERE id BETWEEN $1 AND $2 RETURNING *) SELECT count(*) FROM x",
    ],
)
def test_a_backfill_is_one_statement_over_a_batch_of_keys(statement: str) -> None:
    (step,) = read(BACKFILL.format("") + statement + "; -- end\n").up
    assert (step.body, step.atomic, step.repeatable) == (statement, False, False)
    assert step.backfill == Backfill("app.users", "id", 50)
    assert step.summary.endswith("in batches of 50 along id")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (BACKFILL.format(""), 2),
        (BACKFILL.format("") + "UPDATE t SET a = 1", 3),
        (BACKFILL.format("") + "UPDATE t SET a = 1 WHERE id > $1", 3),
        (BACKFILL.format("") + "UPDATE t SET a = $3 WHERE id BETWEEN $1 AND $2", 3),
        (BACKFILL.format("") + "UPDATE t SET a = 1 WHERE id BETWEEN $1 AND $2;\nSELECT 1", 4),
        (BACKFILL.format("") + "SELECT $1, $2", 3),
        (BACKFILL.format(" transaction:false") + "UPDATE t SET a = 1 WHERE id BETWEEN $1 AND $2", 2),
        (
            BACKFILL.format("")
            + "UPDATE t SET a = 1 WHERE id BETWEEN $1 AND $2;\n-- migrate:down\nUPDATE t SET a = 2",
            5,
        ),
    ],
    ids=range(8),
)
def test_what_is_no_backfill_is_refused_with_its_line(text: str, at: int) -> None:
    assert line(refused(text)) == at


# --- Python ---------------------------------------------------------------------------------------------

PYTHON = '''#!/usr/bin/env python
"""Split names.

# seedbed: this is prose
"""
# seedbed: backfill=users.id batch=10 phase=migrate

import re


def up(row):
    return {"first": row["name"].split()[0]}


def down(row, /):
    """Join them again."""
    return {"name": row["first"]}
'''


def test_a_migration_in_python_is_a_backfill_both_ways() -> None:
    migration = read(PYTHON, ".py")
    (up,), (down,) = migration.up, migration.down
    assert up.body == down.body == PYTHON
    assert up.backfill == down.backfill == Backfill("users", "id", 10)
    assert (up.summary, down.summary, up.atomic, up.line) == ("Split names.", "Join them again.", False, 1)
    assert migration.phase is Phase.MIGRATE


def test_a_migration_in_python_is_never_run() -> None:
    read("# seedbed: backfill=a.b\nraise SystemExit\ndef up(row): ...", ".py")


def test_a_migration_in_python_may_have_no_way_back() -> None:
    migration = read("# Lower case\n# seedbed: backfill=a.b\ndef up(row): ...", ".py")
    assert (migration.down, migration.up[0].summary) == ((), "Lower case")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("def up(row): ...", 1),
        ("# seedbed: backfill=a.b\n", 0),
        ("# seedbed: backfill=a.b\nx = 1\ndef up(:", 3),
        ("# seedbed: backfill=a.b\n\ndef up(): ...", 3),
        ("# seedbed: backfill=a.b\ndef up(a, b): ...", 2),
        ("# seedbed: backfill=a.b\ndef up(*a): ...", 2),
        ("# seedbed: backfill=a.b\nasync def up(a): ...", 2),
        ("# seedbed: backfill=a.b\ndef up(a): ...\ndef down(): ...", 3),
        ("# seedbed: backfill=a.b\ndef up(a): ...\n# seedbed: phase=contract", 3),
        ('# seedbed: backfill=a.b\n# seedbed: irreversible because "x"\ndef up(a): ...\ndef down(a): ...', 2),
    ],
    ids=range(10),
)
def test_python_that_converts_no_rows_is_refused_with_its_line(text: str, at: int) -> None:
    assert line(refused(text, ".py")) == at


def test_strings_in_python_that_look_like_directives_are_none() -> None:
    read('# seedbed: backfill=a.b\ndef up(row): ...\nX = """\n# seedbed: phase=contract\n"""', ".py")


# --- size, threads, time --------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["1 + ", "'a' || ", "x = 1 OR "], ids=["sum", "text", "or"])
def test_a_statement_nested_deeper_than_python_recurses_is_read(link: str) -> None:
    (step,) = read(f"-- migrate:up\nSELECT {link * 3000}1;").up
    assert step.summary == "SELECT"
    (step,) = read(f"-- migrate:up\nCREATE VIEW v AS SELECT {link * 3000}1;").up
    assert step.summary == "CREATE VIEW v"


@pytest.mark.parametrize("link", ["1 + ", "- ", "(", "SELECT 1 UNION ALL ", "f(1, 2) || "])
def test_a_statement_that_would_overflow_the_stack_is_refused_instead(link: str) -> None:
    assert line(refused(f"-- migrate:up\nSELECT {link * 100_000}1;")) == 2


def test_long_lists_are_not_deep() -> None:
    rows = ", ".join(f"({number}, 'x' || 'y')" for number in range(20_000))
    whens = " ".join(f"WHEN x = {number} THEN -1" for number in range(20_000))
    assert read(f"-- migrate:up\nINSERT INTO t VALUES {rows};").up
    assert read(f"-- migrate:up\nUPDATE t SET a = CASE {whens} END;").up


def test_lines_of_a_large_file_are_counted_once() -> None:
    """Each statement asks for its line; 40 000 statements took half a minute when each counted from the top."""
    read_bytes = 0

    class Counting(bytes):
        def count(self, of: Any, start: Any = 0, end: Any = None) -> int:
            nonlocal read_bytes
            read_bytes += (len(self) if end is None else end) - start
            return super().count(of, start, end)

    text = MigrationText("f.sql", "é\n\n SELECT 1;\n" * 4_000)
    text.data = Counting(text.data)
    offsets = range(0, len(text.data), 17)
    assert [text.line(each) for each in offsets] == [
        bytes(text.data)[:each].count(b"\n") + 1 for each in offsets
    ]
    assert read_bytes < len(offsets) * 5_000 < len(text.data) * len(offsets) / 10


@pytest.mark.parametrize(
    "nested",
    [
        "/*" * 100_000 + "*/" * 100_000,
        "/*" * 100_000,
        "SELECT " + "+" * 100_000 + "1;",
        "SELECT " + "+-" * 50_000 + "1;",
    ],
    ids=["comments", "open comments", "pluses", "signs"],
)
def test_what_the_scanner_would_take_minutes_for_is_refused_at_once(nested: str) -> None:
    error = refused(f"-- migrate:up\nSELECT 1;\n{nested}")
    assert line(error) == 3
    assert "too deeply" in error.what or "too long" in error.what


def test_comments_that_nest_deep_with_blanks_between_and_rulers_are_read() -> None:
    assert read(
        f"-- migrate:up\n{'/* ' * 100_000}{'*/ ' * 100_000}\n-- {'=' * 3000}\n/{'*' * 3000}/\nSELECT 1;"
    ).up


def test_threads_parse_side_by_side() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(50):
            migration = read(f"-- migrate:up\nCREATE TABLE t{number} (x int);\nDROP TABLE t{number};")
            if migration.up[0].summary != f"2 statements: CREATE TABLE t{number}, DROP TABLE t{number}":
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_parsing_imports_neither_protobuf_nor_a_driver() -> None:
    code = "import sys, seedbed.engines.postgres.files.parse; print({'postgast', 'google', 'psycopg'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
