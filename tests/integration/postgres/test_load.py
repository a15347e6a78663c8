"""Loading datasets into a real PostgreSQL: all or nothing, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedbed.engines.postgres.seeds.load import load
from seedbed.errors import LeaseLost, OutcomeUnknown, SeedFileError, SeveralErrors, StepFailed
from seedbed.model.migration import Source
from seedbed.model.seed import Dataset, Loaded, Loading, Rows, RowSource, Script, SeedKind
from tests.support.seeds import opened

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def connection(postgres_database: str) -> Iterator[Connection]:
    with psycopg.connect(postgres_database, autocommit=True, prepare_threshold=None) as opened:
        yield opened


def rows(
    table: str, columns: str, *values: tuple[object, ...], key: str = "", path: str = "s/1_x.json"
) -> Rows:
    """Rows whose lines are 2, 3, …"""
    keys = tuple(key.split(",")) if key else ()
    lines = tuple(range(2, len(values) + 2))
    return Rows(path, table, tuple(columns.split(",")), values, keys, lines)


def script(text: str, path: str = "s/2_x.sql") -> Script:
    return Script(path, Source(path, ".sql", text.encode()))


def loaded(connection: Connection, *parts: RowSource | Script) -> list[tuple[int, int, int]]:
    done = list(load(connection, Dataset(SeedKind.FIXTURE, parts)))
    assert [each.part for each in done] == [each.path for each in parts]
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    return [(each.inserted, each.updated, each.unchanged) for each in done]


def refusal(connection: Connection, *parts: RowSource | Script) -> StepFailed:
    with pytest.raises(StepFailed) as caught:
        list(load(connection, Dataset(SeedKind.FIXTURE, parts)))
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    return caught.value


def select(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def test_rows_are_inserted_once_then_left_alone_then_updated(connection: Connection) -> None:
    connection.execute("CREATE TABLE users (id int PRIMARY KEY, name text, city text DEFAULT 'Bonn')")
    assert loaded(connection, rows("users", "id,name", (1, "ana"), (2, None))) == [(2, 0, 0)]
    assert loaded(connection, rows("users", "id,name", (1, "ana"), (2, None))) == [(0, 0, 2)]
    assert loaded(connection, rows("users", "name,id", ("ben", 2), ("ana", 1), ("eva", 3))) == [(1, 1, 1)]
    assert select(connection, "SELECT * FROM users ORDER BY 1") == [
        (1, "ana", "Bonn"), (2, "ben", "Bonn"), (3, "eva", "Bonn"),
    ]  # fmt: skip


_TYPES: list[tuple[str, object, object]] = [
    ("json", {"a": [1, Decimal("0.10"), None]}, '{"a": [1, 0.10, null]}'),
    ("jsonb", ["x", {"y": True}], '["x", {"y": true}]'),
    ("jsonb", "text", '"text"'),
    ("jsonb", Decimal("12345678901234567890.5"), "12345678901234567890.5"),
    ("jsonb", Decimal("1E+400"), "1" + 400 * "0"),
    ("jsonb[]", [{"a": 1}, [2], None], '{"{\\"a\\": 1}",[2],NULL}'),
    ("point", "(1,2)", "(1,2)"),
    ("path", "((1,2),(3,4))", "((1,2),(3,4))"),
    ("text[]", ['a"b\\c', "", None, "NULL", "{,}"], '{"a\\"b\\\\c","",NULL,"NULL","{,}"}'),
    ("int[]", [[1, 2], [3, 4]], "{{1,2},{3,4}}"),
    ("int[]", [], "{}"),
    ("box[]", ["(1,1),(0,0)"], "{(1,1),(0,0)}"),
    ("bytea", b"\0\xff", "\\x00ff"),
    ("boolean", True, "true"),
    ("text", True, "true"),
    ("text", "\t\\N\r\n\b", "\t\\N\r\n\b"),
    ("numeric", Decimal("1E+3"), "1000"),
    ("numeric", 10**40, str(10**40)),
    ("float8", 1e-300, "1e-300"),
    ("float8", float("nan"), "NaN"),
    ("int4range", "[1,3]", "[1,4)"),
    ("tsvector", "b a", "'a' 'b'"),
    ("uuid", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("short", "abc", "abc"),
    ("mood", "ok", "ok"),
    ("pair", "(1,x)", "(1,x)"),
    ("interval", "1 day", "1 day"),
    ("char(4)", "a", "a"),
    ("bit(3)", "101", "101"),
]


@pytest.mark.parametrize(("type_", "value", "stored"), _TYPES, ids=[f"{t}-{v!a}" for t, v, _ in _TYPES])
def test_a_value_of_any_type_arrives_and_stays_equal(
    connection: Connection, type_: str, value: object, stored: str
) -> None:
    connection.execute("CREATE TYPE mood AS ENUM ('ok'); CREATE DOMAIN short AS varchar(3)")
    connection.execute("CREATE TYPE pair AS (a int, b text)")
    connection.execute(f"CREATE TABLE t (id int PRIMARY KEY, v {type_})".encode())
    part = rows("t", "id,v", (1, value), (2, None))
    assert loaded(connection, part) == [(2, 0, 0)]
    assert loaded(connection, part) == [(0, 0, 2)]
    assert select(connection, "SELECT v::text FROM t ORDER BY id") == [(stored,), (None,)]


def test_cells_of_a_csv_are_in_the_notation_of_their_type(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, j jsonb, a int[], s text)")
    part = rows("t", "id,j,a,s", ("1", '{"a": 1}', "{1,2}", ""), ("2", "null", None, None), path="s/t.csv")
    assert loaded(connection, part) == [(2, 0, 0)]
    assert select(connection, "SELECT j::text, a, s FROM t ORDER BY id") == [
        ('{"a": 1}', [1, 2], ""), ("null", None, None),
    ]  # fmt: skip


def test_triggers_and_sequences_do_not_notice_rows_that_are_there(connection: Connection) -> None:
    connection.execute("CREATE TABLE ledger (id int PRIMARY KEY, n serial, what text)")
    part = rows("ledger", "id,what", (1, "a"), (2, "b"))
    loaded(connection, part)
    connection.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'immutable'; END $$;"
        "CREATE TRIGGER a BEFORE INSERT OR UPDATE ON ledger FOR EACH ROW EXECUTE FUNCTION refuse();"
        "CREATE TRIGGER b BEFORE INSERT OR UPDATE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
    )
    before = select(connection, "SELECT last_value FROM ledger_n_seq")
    assert loaded(connection, part) == [(0, 0, 2)]
    assert select(connection, "SELECT last_value FROM ledger_n_seq") == before
    assert "immutable" in refusal(connection, rows("ledger", "id,what", (1, "changed"))).what


def test_an_insert_does_not_fire_update_triggers(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE t (id int PRIMARY KEY, v int);"
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'immutable'; END $$;"
        "CREATE TRIGGER b BEFORE UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
    )
    assert loaded(connection, rows("t", "id,v", (1, 1))) == [(1, 0, 0)]
    assert loaded(connection, rows("t", "id,v", (1, 1), (2, 2))) == [(1, 0, 1)]


def test_rows_are_inserted_in_the_order_of_the_file(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, n serial)")
    loaded(connection, rows("t", "id", *((number,) for number in (5, 3, 9, 1))))
    assert select(connection, "SELECT id FROM t ORDER BY n") == [(5,), (3,), (9,), (1,)]


def test_identities_take_the_values_of_the_file(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text UNIQUE, name text)"
    )
    assert loaded(connection, rows("t", "id,email,name", (7, "a@x", "a"))) == [(1, 0, 0)]
    assert loaded(connection, rows("t", "id,email,name", (7, "a@x", "b"), key="email")) == [(0, 1, 0)]
    error = refusal(connection, rows("t", "id,email,name", (8, "a@x", "b"), key="email"))
    assert (error.what, str(error.at)) == ("t has this row with another id", "s/1_x.json:2")


def test_sequences_go_on_after_the_rows_of_a_seed(connection: Connection) -> None:
    connection.execute(
        """
        CREATE SEQUENCE odd START 1 INCREMENT 10;
        CREATE SEQUENCE down INCREMENT -1;
        CREATE SEQUENCE small MAXVALUE 100;
        CREATE TABLE t (
            id serial PRIMARY KEY, b bigint GENERATED BY DEFAULT AS IDENTITY, c int GENERATED ALWAYS AS IDENTITY,
            d int DEFAULT nextval('odd'), e int DEFAULT nextval('down'), f int DEFAULT nextval('small'),
            g text DEFAULT 'n' || nextval('odd'), h numeric DEFAULT nextval('odd') + 1000
        );
        """
    )
    seed = rows("t", "id,b,c,d,e,f,g,h", (7, 5, 3, 25, -9, 5000, "x", 9), (2, 1, 1, 2, -2, 40, "y", 99))
    assert loaded(connection, seed) == [(2, 0, 0)]
    assert select(connection, "INSERT INTO t (g, h) VALUES ('z', 0) RETURNING id, b, c, d, e, f") == [
        (8, 6, 4, 41, -10, 41),
    ]
    assert loaded(connection, seed) == [(0, 0, 2)]  # and nothing goes back
    assert select(connection, "INSERT INTO t (g, h) VALUES ('z', 0) RETURNING id, b, c, d, e, f") == [
        (9, 7, 5, 51, -11, 42),
    ]


def test_a_sequence_that_may_not_be_moved_holds_no_seed_up(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE t (id serial PRIMARY KEY); CREATE ROLE seeder_of_t; GRANT ALL ON t TO seeder_of_t;"
        "SET ROLE seeder_of_t"
    )
    try:
        assert loaded(connection, rows("t", "id", (7,))) == [(1, 0, 0)]
    finally:
        connection.execute("RESET ROLE; DROP OWNED BY seeder_of_t; DROP ROLE seeder_of_t")


def test_nulls_are_a_key_where_they_are_not_distinct(connection: Connection) -> None:
    if connection.info.server_version < 150000:
        pytest.skip("NULLS NOT DISTINCT came with PostgreSQL 15")
    connection.execute("CREATE TABLE t (a int, b text, c int, UNIQUE NULLS NOT DISTINCT (a, b))")
    assert loaded(connection, rows("t", "a,b,c", (1, None, 1), (None, None, 2), (None, "x", 3))) == [
        (3, 0, 0)
    ]
    assert loaded(connection, rows("t", "a,b,c", (1, None, 1), (None, None, 5), (2, None, 6))) == [(1, 1, 1)]
    error = refusal(connection, rows("t", "a,b,c", (1, None, 1), (1, None, 2)))
    assert (error.what, error.at and error.at.line) == ("two rows of t have the same key", 3)


def test_foreign_keys_that_go_round_are_checked_at_the_end(connection: Connection) -> None:
    connection.execute(
        """
        CREATE TABLE teams (id int PRIMARY KEY, lead int NOT NULL);
        CREATE TABLE people (id int PRIMARY KEY, team int NOT NULL REFERENCES teams);
        ALTER TABLE teams ADD FOREIGN KEY (lead) REFERENCES people DEFERRABLE;
        """
    )
    teams, people = rows("teams", "id,lead", (1, 10)), rows("people", "id,team", (10, 1), path="s/2_x.json")
    assert loaded(connection, teams, people) == [(1, 0, 0), (1, 0, 0)]
    error = refusal(connection, rows("teams", "id,lead", (2, 11)))
    assert str(error.at) == "s/1_x.json:2"
    assert "is not present in table" in str(error)


def test_a_column_may_be_filled_by_a_later_file(connection: Connection) -> None:
    connection.execute(
        """
        CREATE TABLE teams (id int PRIMARY KEY, lead int);
        CREATE TABLE people (id int PRIMARY KEY, team int NOT NULL REFERENCES teams);
        ALTER TABLE teams ADD FOREIGN KEY (lead) REFERENCES people;
        """
    )
    parts = rows("teams", "id", (1,)), rows("people", "id,team", (10, 1)), rows("teams", "id,lead", (1, 10))
    assert loaded(connection, *parts) == [(1, 0, 0), (1, 0, 0), (0, 1, 0)]
    assert loaded(connection, *parts) == [(0, 0, 1), (0, 0, 1), (0, 0, 1)]


def test_the_key_is_the_primary_one_else_the_only_unique_one(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id serial PRIMARY KEY, a int, b int, c int, UNIQUE (b, a))")
    assert loaded(connection, rows("t", "a,b,c", (1, 1, 1))) == [(1, 0, 0)]
    assert loaded(connection, rows("t", "a,b,c", (1, 1, 2))) == [(0, 1, 0)]
    error = refusal(connection, rows("t", "a,c", (1, 2)))
    assert error.what == "nothing identifies the rows of t"
    assert error.because == "its unique keys are (id), (b, a)"
    assert error.try_ == "give the file the columns of one of them"
    connection.execute("CREATE TABLE keyless (a int)")
    error = refusal(connection, rows("keyless", "a", (1,)))
    assert (error.because, error.try_) == (
        "it has no unique key",
        "a migration that creates a unique index",
    )
    connection.execute("ALTER TABLE t ADD UNIQUE (c)")
    error = refusal(connection, rows("t", "a,b,c", (1, 1, 1)))
    assert error.what == "several keys could identify the rows of t"
    assert error.because == "its unique keys are (b, a), (c)"
    assert loaded(connection, rows("t", "a,b,c", (1, 1, 3), key="a,b")) == [(0, 1, 0)]


def test_a_key_that_nothing_keeps_unique_is_refused(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE t (id int PRIMARY KEY, a text, b int);"
        "CREATE UNIQUE INDEX ON t (lower(a)); CREATE UNIQUE INDEX ON t (a) WHERE b > 0; CREATE INDEX ON t (b)"
    )
    for key in ("a", "b", "id,a"):
        error = refusal(connection, rows("t", "id,a,b", (1, "x", 1), key=key))
        assert error.what == f"no unique index of t covers exactly ({key.replace(',', ', ')})"
    assert "no unique key" in refusal_without_keys(connection).because


def refusal_without_keys(connection: Connection) -> StepFailed:
    connection.execute("CREATE TABLE bare (a int)")
    return refusal(connection, rows("bare", "a", (1,)))


def test_keys_of_any_kind_find_their_rows(connection: Connection) -> None:
    connection.execute(
        "CREATE SCHEMA elsewhere; CREATE EXTENSION citext SCHEMA elsewhere;"
        "CREATE TABLE a (k elsewhere.citext PRIMARY KEY, v int);"
        "CREATE TABLE b (k text UNIQUE DEFERRABLE INITIALLY DEFERRED, v int);"
        "CREATE TABLE c (k varchar(9), part int, v int, PRIMARY KEY (k, part)) PARTITION BY LIST (part);"
        "CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1); CREATE TABLE c2 PARTITION OF c FOR VALUES IN (2);"
        "CREATE TABLE d (k int[] PRIMARY KEY, v int)"
    )
    assert loaded(connection, rows("a", "k,v", ("Ana", 1))) == [(1, 0, 0)]
    assert loaded(connection, rows("a", "k,v", ("ANA", 2))) == [(0, 1, 0)]
    assert "same key" in refusal(connection, rows("a", "k,v", ("b", 2), ("B", 2))).what
    for table, columns, one, two in (
        ("b", "k,v", ("x", 1), ("x", 2)),
        ("c", "k,part,v", ("x", 2, 1), ("x", 2, 2)),
        ("d", "k,v", ([1, 2], 1), ([1, 2], 2)),
    ):
        assert loaded(connection, rows(table, columns, one)) == [(1, 0, 0)]
        assert loaded(connection, rows(table, columns, two)) == [(0, 1, 0)]
        assert loaded(connection, rows(table, columns, two)) == [(0, 0, 1)]


def test_rows_without_a_key_or_with_the_same_are_named(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int UNIQUE, v int)")
    error = refusal(connection, rows("t", "id,v", (1, 1), (None, 2)))
    assert (error.what, str(error.at)) == ("a row of t has no key", "s/1_x.json:3")
    error = refusal(connection, rows("t", "id,v", (1, 1), (2, 2), (1, 1)))
    assert (str(error.at), error.because) == ("s/1_x.json:4", "(id) is the same as in line 2")
    program = opened("s/1_t.py", "def rows():\n    for n in (7, 8, 7):\n        yield {'id': n}\n")
    error = refusal(connection, program)
    assert (str(error.at), error.because) == ("s/1_t.py:3", "(id) is the same in rows 1 and 3")


def test_all_tables_and_columns_that_do_not_fit_are_told_at_once(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
    parts = (rows("u", "id", (1,)), rows("t", "id", (1,)), rows("t", "id,x", (1, 2)))
    with pytest.raises(SeveralErrors) as caught:
        loaded(connection, *parts)
    assert [each.what for each in caught.value.errors] == ["there is no table u", "t has no column x"]
    makes = script("CREATE TABLE u (id int PRIMARY KEY)", "s/0_u.sql")
    assert loaded(connection, makes, rows("u", "id", (1,))) == [(0, 0, 0), (1, 0, 0)]


def test_unknown_names_come_with_a_guess(connection: Connection) -> None:
    connection.execute('CREATE SCHEMA billing; CREATE TABLE billing.payments ("Amount" int PRIMARY KEY)')
    connection.execute("CREATE TABLE billing.migrations_history (id int)")  # seedbed's own are not for seeds
    error = refusal(connection, rows("billing.payment", "a", (1,)))
    assert error.because == "the tables are billing.payments"
    assert (error.what, error.try_) == ("there is no table billing.payment", "did you mean billing.payments?")
    error = refusal(connection, rows("billing.payments", "amount", (1,)))
    assert (error.what, error.try_) == ("billing.payments has no column amount", "did you mean Amount?")
    assert loaded(connection, rows("billing.payments", "Amount", (1,))) == [(1, 0, 0)]


def test_names_are_quoted_wherever_they_go(connection: Connection) -> None:
    connection.execute('CREATE TABLE "Ord;er" ("a""b%s" int PRIMARY KEY, seedbed_row int, "{x}" text)')
    part = rows("Ord;er", 'a"b%s,seedbed_row,{x}', (1, 2, "y"))
    assert [loaded(connection, part), loaded(connection, part)] == [[(1, 0, 0)], [(0, 0, 1)]]


def test_what_cannot_take_rows_says_so(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);"
        "CREATE VIEW v AS SELECT id FROM t"
    )
    assert refusal(connection, rows("v", "id", (1,))).what == "v is a view"
    error = refusal(connection, rows("t", "id,twice", (1, 2)))
    assert (error.what, error.try_) == ("t.twice is generated by the database", "leave twice out of the file")


@pytest.mark.parametrize(
    ("value", "because"),
    [
        ("x", 'invalid input syntax for type integer: "x"'),
        (10**12, "out of range"),
        (Decimal("1.5"), "invalid input syntax"),
        ([1], "invalid input syntax"),
        (-1, "violates check constraint"),
    ],
)
def test_a_bad_value_is_named_by_file_line_and_column(
    connection: Connection, value: object, because: str
) -> None:
    connection.execute("CREATE DOMAIN natural_number AS int CHECK (value >= 0)")
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, n natural_number)")
    error = refusal(connection, rows("t", "id,n", (1, 1), (2, value), (3, 3)))
    assert (error.what, str(error.at)) == ("a value does not fit t.n", "s/1_x.json:3")
    assert because in error.because


def test_a_value_without_a_form_in_text_is_named(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, a text, j jsonb)")
    for row in ((1, [1], None), (1, "\0", None), (1, "", float("inf")), (1, "", b"")):
        assert str(refusal(connection, rows("t", "id,a,j", row)).at) == "s/1_x.json:2"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((2, 99, "c", 1), "foreign key"),
        ((2, 1, "a", 1), "unique"),
        ((2, 1, "c", -1), "check"),
        ((2, 1, None, 1), "not-null"),
        ((2, 1, "c", 13), "unlucky"),
    ],
)
def test_a_row_that_a_constraint_or_trigger_refuses_is_named(
    connection: Connection, row: tuple[object, ...], said: str
) -> None:
    connection.execute(
        "CREATE TABLE t (id int PRIMARY KEY, other int REFERENCES t, u text UNIQUE NOT NULL, n int CHECK (n > 0));"
        "CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN IF new.n = 13 THEN RAISE 'unlucky'; END IF; RETURN new; END $$;"
        "CREATE TRIGGER judge BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION judge()"
    )
    good = (1, 3, "a", 1)  # refers to a row that comes later
    error = refusal(connection, rows("t", "id,other,u,n", good, row, (3, 3, "z", 1), key="id"))
    assert said in error.what
    assert str(error.at) == "s/1_x.json:3"
    assert select(connection, "SELECT count(*) FROM t") == [(0,)]


def test_a_dataset_stays_or_goes_as_a_whole(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
    error = refusal(
        connection, rows("t", "id", (1,)), script("INSERT INTO t VALUES (2);\n\nINSERT INTO t VALUES (1)")
    )
    assert str(error.at) == "s/2_x.sql:3"
    assert "duplicate key" in error.what
    assert select(connection, "SELECT * FROM t") == []


def test_what_is_checked_at_the_commit_names_the_row(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE a (id int PRIMARY KEY);"
        "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a DEFERRABLE INITIALLY DEFERRED)"
    )
    late = rows("a", "id", (1,), path="s/2_a.json")
    assert loaded(connection, rows("b", "id,a", (1, 1)), late) == [(1, 0, 0), (1, 0, 0)]
    part = rows("b", "id,a", (2, 1), (3, 9), (4, 9))
    assert str(refusal(connection, part, late).at) == "s/1_x.json:3"
    other = rows(
        "b", "id,a", ("2", "1"), ("3", "09"), path="s/1_x.csv"
    )  # the server writes 9: no row is found by it
    assert str(refusal(connection, other, late).at) == "s/1_x.csv"


def test_nothing_is_told_before_the_commit(connection: Connection, postgres_database: str) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
    progress = load(connection, Dataset(SeedKind.REFERENCE, (rows("t", "id", (1,)), script("SELECT 1"))))
    assert next(iter(progress)) == Loaded("s/1_x.json", 1, 0, 0)
    with psycopg.connect(postgres_database) as other:
        assert other.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_a_trigger_that_swallows_rows_is_found_out(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE t (id int PRIMARY KEY);"
        "CREATE FUNCTION eat() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        "CREATE TRIGGER eat BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION eat()"
    )
    assert refusal(connection, rows("t", "id", (1,))).what == "t rejects rows of s/1_x.json"


def test_of_many_rows_the_bad_one_is_found_and_many_rows_load_at_once(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, n int CHECK (n <> 4321))")
    error = refusal(connection, rows("t", "id,n", *((number, number) for number in range(5000))))
    assert str(error.at) == "s/1_x.json:4323"
    good = rows("t", "id,n", *((number, 0) for number in range(5000)))
    assert [loaded(connection, good), loaded(connection, good)] == [[(5000, 0, 0)], [(0, 0, 5000)]]


def test_rows_of_several_batches_keep_their_lines_and_how_far_they_are_is_told(
    connection: Connection,
) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    text = "# a comment\nid,n\n" + "".join(f"{number},1\n\n" for number in range(2500))
    told: list[Loading] = []
    done = list(load(connection, Dataset(SeedKind.FIXTURE, (opened("s/1_t.csv", text),)), told.append))
    assert done == [Loaded("s/1_t.csv", 2500)]
    assert [each.done for each in told] == [1000, 2000, 2500]
    assert {each.changed for each in told} == {0}  # until the commit, none of it stays
    bad = opened("s/1_t.csv", text.replace("2345,1", "2345,x"))
    assert str(refusal(connection, bad).at) == f"s/1_t.csv:{3 + 2 * 2345}"
    twice = opened("s/1_t.csv", text.replace("\n2345,1", "\n5,1"))
    error = refusal(connection, twice)
    assert (str(error.at), error.because) == (f"s/1_t.csv:{3 + 2 * 2345}", "(id) is the same as in line 13")


def test_a_file_that_is_found_broken_on_its_way_leaves_nothing(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
    text = "id\n" + "".join(f"{number}\n" for number in range(2500)) + "1,2\n"
    with pytest.raises(SeedFileError, match="the row has 2 fields"):
        loaded(connection, rows("t", "id", (7,)), opened("s/2_t.csv", text))
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert select(connection, "SELECT * FROM t") == []


def test_a_file_without_rows_asks_nothing_of_the_table(connection: Connection) -> None:
    assert (
        loaded(connection, opened("s/1_nowhere.csv", "id\n"), opened("s/2_x.json", "[]")) == [(0, 0, 0)] * 2
    )


# Scripts


def test_a_script_counts_what_its_statements_say(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, v int)")
    text = """
        INSERT INTO t SELECT n, n FROM generate_series(1, 5) AS n; SELECT * FROM t;
        UPDATE t SET v = 0 WHERE id < 3; ; DELETE FROM t WHERE id = 5;
        DO $$ BEGIN PERFORM 1; END $$
    """
    assert loaded(connection, script(text)) == [(5, 3, 0)]
    assert loaded(connection, script("")) == [(0, 0, 0)]
    assert loaded(connection, script("COPY t TO STDOUT; SELECT 1; COPY t TO STDOUT")) == [(0, 0, 0)]


def test_a_script_that_waits_for_its_stdin_fails(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, v int)")
    error = refusal(connection, script("COPY t FROM STDIN; SELECT 1"))
    assert "put the rows into a .csv file" in error.what


def test_the_settings_of_a_script_do_not_leak(connection: Connection) -> None:
    user = connection.info.user
    connection.execute(
        "CREATE SCHEMA other; CREATE TABLE t (id int PRIMARY KEY); SET application_name = 'mine'"
    )
    text = "SET search_path = other; SET application_name = 'x'; SET statement_timeout = '9s'; SET ROLE pg_monitor"
    loaded(connection, script(text), rows("t", "id", (1,)))
    shown = "current_setting('application_name'), current_setting('statement_timeout'), current_user"
    assert select(connection, f"SELECT {shown}") == [("mine", "0", user)]


def test_a_script_that_ends_the_transaction_is_found_out(connection: Connection) -> None:
    for text in ("COMMIT", "COMMIT; BEGIN", "ROLLBACK; BEGIN; SELECT 1"):
        with pytest.raises(OutcomeUnknown):
            list(load(connection, Dataset(SeedKind.FIXTURE, (script(text),))))
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_whoever_knows_the_grammar_may_refuse_a_script(connection: Connection) -> None:
    def check(refused: Script) -> None:
        raise SeedFileError(f"no {refused.source.data.decode()}")

    with pytest.raises(SeedFileError, match="no COMMIT"):
        list(load(connection, Dataset(SeedKind.FIXTURE, (script("COMMIT"),)), check=check))
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_lost_connection_is_a_lost_lease(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
    for part in (script("SELECT pg_terminate_backend(pg_backend_pid())"),):
        with pytest.raises(LeaseLost):
            list(load(connection, Dataset(SeedKind.FIXTURE, (part,))))


# Any rows

_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_row = st.tuples(
    st.none() | _text,
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.none() | st.lists(st.none() | _text, max_size=3),
    _json,
    st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-999, max_value=999),
)
_tables = st.dictionaries(
    st.tuples(st.integers(-5, 5), st.sampled_from(["a", "A", "", "ä"])), _row, min_size=1
)


@settings(
    max_examples=settings().max_examples // 2, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_tables, st.data())
def test_any_rows_load_once_and_one_change_is_one_update(
    connection: Connection, table: dict[tuple[int, str], tuple[object, ...]], data: st.DataObject
) -> None:
    connection.execute(
        "DROP TABLE IF EXISTS t;"
        "CREATE TABLE t (k int, l text, a text, b int, c text[], d jsonb, e numeric, PRIMARY KEY (l, k))"
    )
    values = [(*key, *row) for key, row in table.items()]
    part = rows("t", "k,l,a,b,c,d,e", *values)
    assert loaded(connection, part) == [(len(values), 0, 0)]
    assert loaded(connection, part) == [(0, 0, len(values))]
    index = data.draw(st.integers(0, len(values) - 1))
    changed = (*values[index][:2], "a new text that none of them has", *values[index][3:])
    part = rows("t", "k,l,a,b,c,d,e", *values[:index], changed, *values[index + 1 :])
    assert loaded(connection, part) == [(0, 1, len(values) - 1)]
