"""Ids of PostgreSQL's columns, as references find them: of every kind of column and of table."""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from seedbed.engines.postgres import engine
from seedbed.engines.postgres.options import Options
from seedbed.engines.postgres.running import ids as reading
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.session import PostgresSession
from seedbed.errors import StepFailed, Unreachable
from seedbed.integrity.digests import id_text
from seedbed.model.platform import ALL, DatabaseId, Field, Reference, Where
from seedbed.model.verification import Holders, Suspect
from tests.support.postgres.wire import connected, target
from tests.support.verified_sessions import verified

HERE = DatabaseId("shop/postgres")
WHEN = datetime(2026, 11, 3, 12, tzinfo=UTC)
UUIDS = [f"00000000-0000-4000-8000-{number:012x}" for number in range(5)]
TABLES = """
CREATE SCHEMA "Odd";
CREATE TABLE "Odd"."Tab.le" ("v" uuid, n numeric(12, 4), i bigint, t text, many uuid[], c "char", big bigint, f float8, r real, at timestamptz DEFAULT '2026-01-02+00');
INSERT INTO "Odd"."Tab.le" (v, n, i, t, many, c, big, f, r)
SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(x), 12, '0'))::uuid, x * 0.5, x, E'a"b\\\\\n' || x,
       ARRAY['00000000-0000-4000-8000-000000000001'::uuid, NULL], 'x', 9223372036854775807, '1e+20', 0.1
FROM generate_series(0, 4) AS x;
INSERT INTO "Odd"."Tab.le" DEFAULT VALUES;
CREATE TABLE days (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (id);
CREATE TABLE days_11 PARTITION OF days_1 FOR VALUES IN (1, 2);
CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO days VALUES (1, '2024-05-01'), (2, '2024-05-01'), (1, '2025-05-01');
CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2), (NULL);
CREATE TABLE top (id int); CREATE TABLE one () INHERITS (top); CREATE TABLE other () INHERITS (top);
CREATE TABLE both_ () INHERITS (one, other); INSERT INTO both_ VALUES (3);
CREATE VIEW seen AS SELECT id FROM parent; CREATE MATERIALIZED VIEW kept AS SELECT id FROM parent;
CREATE MATERIALIZED VIEW unfilled AS SELECT id FROM parent WITH NO DATA;
CREATE DOMAIN price AS numeric(9, 2); CREATE DOMAIN exact AS price; CREATE DOMAIN key AS uuid;
CREATE DOMAIN share AS float8; CREATE DOMAIN tags AS text[]; CREATE DOMAIN keys AS key[];
CREATE TABLE made (price exact, key key, share share, tags tags, keys keys, doc jsonb, old json, docs jsonb[], bin bytea, nan float8, tiny real, most real, at timestamptz DEFAULT '2026-01-02+00');
INSERT INTO made VALUES (1.50, '00000000-0000-4000-8000-000000000001', 1e20, '{x,y}', '{00000000-0000-4000-8000-000000000001}', '["a b", 2.50, null, true]', ' "x" ', '{"[1, 2]"}', decode(repeat('01', 60), 'hex'), 'NaN', 1e-40, 3.4e38);
INSERT INTO made DEFAULT VALUES;
CREATE TABLE orders (id int PRIMARY KEY, line int, user_id text, at timestamptz);
INSERT INTO orders SELECT x, 1, 'ana', '2026-01-01+00'::timestamptz + x * interval '1 day' FROM generate_series(1, 9) AS x;
"""


@pytest.fixture
def name(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def session(postgres_server: EmbeddedServer, name: str) -> Iterator[PostgresSession]:
    with connected(postgres_server, name) as connection:
        connection.execute(TABLES.encode())
    place = postgres_server.settings_of(name)
    with engine.connect(target(engine.address(place, Options()))) as session:
        assert isinstance(session, PostgresSession)
        yield session


def read(session: PostgresSession, path: str, where: Where = ALL) -> tuple[Counter[str], int]:
    """Return how often each id is read, and how many rows have none."""
    blocks = list(session.ids(path, where))
    ids = Counter(id_text(each, position) for each in blocks for position in range(each.count))
    return ids, sum(each.empty for each in blocks)


def test_only_the_rows_are_read_that_a_reference_is_about(
    session: PostgresSession, postgres_server: EmbeddedServer, name: str
) -> None:
    with connected(postgres_server, name) as connection:
        connection.execute(
            "CREATE TYPE kind AS ENUM ('user', 'it''s 100%'); CREATE TABLE notes (id int PRIMARY KEY, about text, "
            "\"Kind%\" kind, open bool, CHECK (id < 9)); INSERT INTO notes VALUES (1, 'a', 'user', true), "
            "(2, 'b', 'it''s 100%', true), (3, 'c', 'it''s 100%', false), (4, NULL, 'user', true), (5, 'e', NULL, true);"
            "CREATE VIEW noted AS SELECT * FROM notes"
        )
    percent = Where((("Kind%", ("it's 100%", "nothing")), ("open", ("true",))))
    user = Where((("Kind%", ("user",)),))
    for path in ("notes.about", "noted.about"):
        assert read(session, path, percent) == (Counter("b"), 0)
        assert read(session, path, user) == (Counter("a"), 1)
    both = [Suspect("a"), Suspect("b")]
    assert session.holders("notes.about", both, time="", most=1, where=percent) == {"b": Holders(1, ("2",))}
    with pytest.raises(StepFailed, match="knid"):
        read(session, "notes.about", Where((("knid", ("user",)),)))


@pytest.mark.parametrize(
    ("path", "ids", "empty"),
    [
        ("parent.id", ["1", "2"], 1),
        ("top.id", ["3"], 0),  # on two ways
        ("child.id", ["2"], 1),
        ("seen.id", ["1", "2"], 1),
        ("kept.id", ["1", "2"], 1),
        ("days.id", ["1", "2", "1"], 0),
        ("days_1.id", ["1", "2"], 0),
        ("public.days.at", ["2024-05-01", "2024-05-01", "2025-05-01"], 0),
    ],
)
def test_ids_of_every_kind_of_table(session: PostgresSession, path: str, ids: list[str], empty: int) -> None:
    assert read(session, path) == (Counter(ids), empty)


@pytest.mark.parametrize(
    ("column", "ids", "empty", "some"),
    [
        ("v", UUIDS, 1, [UUIDS[1], "no uuid"]),
        ("n", ["0", "0.5", "1", "1.5", "2"], 1, ["0.5", "0.50", "x"]),
        ("i", ["0", "1", "2", "3", "4"], 1, ["3", "x", "99999999999999999999", "-1"]),
        ("t", [f'a"b\\\n{number}' for number in range(5)], 1, ['a"b\\\n3', ""]),
        ("many", [UUIDS[1]] * 5, 6, [UUIDS[1]]),
        ("c", ["x"] * 5, 1, ["x"]),
        ("big", ["9223372036854775807"] * 5, 1, ["9223372036854775807", "9223372036854775808"]),
        ("f", ["100000000000000000000"] * 5, 1, ["100000000000000000000", "9" * 400, "1", "x"]),
        ("r", ["0.1"] * 5, 1, ["0.1", "9" * 40]),
    ],
)
def test_ids_of_every_kind_of_column(
    session: PostgresSession, column: str, ids: list[str], empty: int, some: list[str]
) -> None:
    path = f"kinds.{column}"
    session.connection.execute('CREATE VIEW kinds AS SELECT * FROM "Odd"."Tab.le"')
    assert read(session, path) == (Counter(ids), empty)
    found = session.found(path, some)
    assert set(found) == set(some[:1])
    held = session.holders(path, [Suspect(each) for each in some], time="at", most=1)
    assert set(held) == set(found)
    assert all(each.since is not None for each in held.values())


@pytest.mark.parametrize(
    ("column", "ids", "empty"),
    [
        ("price", ["1.5"], 1),
        ("key", [UUIDS[1]], 1),
        ("share", ["100000000000000000000"], 1),
        ("tags", ["x", "y"], 1),
        ("keys", [UUIDS[1]], 1),
        ("doc", ["a b", "2.5", "true"], 2),
        ("old", ["x"], 1),
        ("docs", ["1", "2"], 1),
        ("bin", [b64encode(bytes([1] * 60)).decode()], 1),
        ("nan", ["NaN"], 1),
        ("tiny", ["0." + "0" * 39 + "1"], 1),
        ("most", ["34" + "0" * 37], 1),
    ],
)
def test_what_ids_are_made_of_and_packed_in_makes_no_other_id(
    session: PostgresSession, column: str, ids: list[str], empty: int
) -> None:
    path = f"made.{column}"
    assert read(session, path) == (Counter(ids), empty)
    assert set(session.found(path, ids)) == set(ids)
    assert set(session.holders(path, [Suspect(each) for each in ids], time="at", most=1)) == set(ids)


def test_what_a_client_wants_to_see_makes_no_other_id(
    session: PostgresSession, postgres_server: EmbeddedServer, name: str
) -> None:
    with connected(postgres_server, name) as connection:
        connection.execute(
            "CREATE TABLE spans AS SELECT 0.1::float8 + 0.2 AS f, interval '1 day 2:03' AS i, '\\x00ff'::bytea AS b"
        )
    session.connection.execute(
        "SET extra_float_digits = 0; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'escape'"
    )
    expected = {"f": "0.30000000000000004", "i": "1 day 02:03:00", "b": "AP8="}
    for column, id_ in expected.items():
        assert read(session, f"spans.{column}") == (Counter([id_]), 0)
        assert set(session.found(f"spans.{column}", [id_])) == {id_}


def test_a_condition_on_a_number_is_not_about_its_zeros(session: PostgresSession) -> None:
    seven = Where((("price", ("1.5", "2")),))
    assert read(session, "made.tiny", seven) == (Counter(["0." + "0" * 39 + "1"]), 0)
    assert session.holders("made.key", [Suspect(UUIDS[1])], time="", most=1, where=seven)


def test_rows_are_named_by_their_key_and_the_oldest_tells_its_time(session: PostgresSession) -> None:
    (found,) = session.holders("orders.user_id", [Suspect("ana")], time="at", most=2).values()
    assert found == Holders(9, ("1", "2"), found.since)
    assert f"{found.since:%F}" == "2026-01-02"


def test_a_large_table_is_read_once_in_one_snapshot_over_two_connections(
    session: PostgresSession,
    postgres_server: EmbeddedServer,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "_BLOCKS", 1)
    monkeypatch.setattr(reading, "_FEW", 2)
    insert = "INSERT INTO parent SELECT generate_series({}, {})"
    with connected(postgres_server, name) as other:
        other.execute(insert.format(10, 3000).encode())
        blocks = session.ids("parent.id")
        first = next(blocks)
        other.execute(insert.format(5000, 6000).encode())  # after the snapshot
        rest = list(blocks)
        backends = other.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        assert backends.fetchone() == (3,)  # this one, and two of the session
    every = Counter(id_text(each, position) for each in (first, *rest) for position in range(each.count))
    assert every == Counter(map(str, [1, 2, *range(10, 3001)]))


def test_without_a_place_for_a_second_connection_one_has_to_do(
    session: PostgresSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> psycopg.Connection[tuple[object, ...]]:
        raise Unreachable("too many clients already")

    monkeypatch.setattr(reading, "_FEW", 0)
    monkeypatch.setattr(reading, "_BLOCKS", 1)
    monkeypatch.setattr(session, "_open_beside", refuse)
    assert read(session, "parent.id") == (Counter(["1", "2"]), 1)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nothing.id", "there is no table nothing"),
        ("parent.nothing", "parent has none of that name"),
        ("a.b.c.d", "there is no table a.b.c"),
        ("unfilled.id", "has not been populated"),
    ],
)
def test_what_is_not_there_is_named(session: PostgresSession, path: str, words: str) -> None:
    for look in (lambda: list(session.ids(path)), lambda: session.found(path, ["1"])):
        with pytest.raises(StepFailed) as raised:
            look()
        assert words in str(raised.value)


def test_what_may_not_be_read_says_which_right_is_missing(
    session: PostgresSession, postgres_server: EmbeddedServer, name: str
) -> None:
    with connected(postgres_server, name) as other:
        other.execute("DROP ROLE IF EXISTS reads_no_ids")
        other.execute("CREATE ROLE reads_no_ids")
        other.execute("GRANT SELECT ON days TO reads_no_ids")
    session.connection.execute("SET ROLE reads_no_ids")
    with pytest.raises(StepFailed, match="permission denied for table parent") as raised:
        list(session.ids("parent.id"))
    assert "GRANT SELECT" in str(raised.value)
    assert read(session, "days.id") == (Counter(["1", "2", "1"]), 0)  # its partitions may not be read by name
    session.connection.execute("RESET ROLE")
    assert read(session, "parent.id")[1] == 1


def test_a_time_that_python_does_not_know_is_none(session: PostgresSession) -> None:
    session.connection.execute(
        b"CREATE TABLE days_of (id text, at timestamptz);"
        b"INSERT INTO days_of VALUES ('a', '-infinity'), ('a', '4000-01-01 BC'), ('b', 'infinity')"
    )
    held = session.holders("days_of.id", [Suspect("a"), Suspect("b")], time="at", most=1)
    assert held == {"a": Holders(2), "b": Holders(1)}


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("timestamptz", "2026-11-03T13:59:59+02", "2026-11-03T14:00:00+02"),
        ("timestamp", "2026-11-03T11:59:59", "2026-11-03T12:00:00"),
        ("date", "2026-11-03", "2026-11-04"),
        ("bigint", "1793707199", "1793707200"),
        ("bigint", "1793707199999", "1793707200000"),
        ("numeric", "1793707199.9", "1793707200.0"),
        ("double precision", "-1", "1e300"),  # the second tells no time: it may be new
        ("text", "2026-11-03T11:59:59Z", "2026-11-03 12:00:00"),
    ],
)
def test_new_orphans_are_found_and_old_ones_left_out_whatever_tells_the_time(
    session: PostgresSession, kind: str, old: str, new: str
) -> None:
    session.connection.execute(
        f"CREATE TABLE visits (who text, at {kind}); CREATE TABLE people (id text); INSERT INTO people VALUES ('ana');"
        f"INSERT INTO visits VALUES ('before', '{old}'), ('after', '{new}'), ('ana', '{new}'), ('ever', NULL)".encode()
    )
    reference = Reference(Field(HERE, "visits.who"), Field(HERE, "people.id"), grace=0, time="at")
    (found,) = verified({HERE: session}, reference, since=WHEN).references
    assert (found.ids, [each.id for each in found.samples], found.error) == (3, ["after", "ever"], None)
    since = datetime(2026, 11, 4, tzinfo=UTC) if kind == "date" else WHEN
    assert found.samples[0].holders.since == (None if new == "1e300" else since)
    (whole,) = verified({HERE: session}, reference).references
    assert [each.id for each in whole.samples] == ["after", "before", "ever"]


def test_a_percent_sign_in_names_is_one(session: PostgresSession) -> None:
    session.connection.execute(
        b'CREATE TABLE "100%s" ("id%" int PRIMARY KEY, "%s" text, "at%b" timestamptz, "of%(x)s" text);'
        b"INSERT INTO \"100%s\" VALUES (7, 'an%s', '2026-01-02+00', '5%'), (8, 'an%s', '2026-01-02+00', '%s')"
    )
    where = Where((("of%(x)s", ("5%",)),), time="at%b", since=datetime(2026, 1, 1, tzinfo=UTC))
    assert read(session, "100%s.%s", where) == (Counter(["an%s"]), 0)
    assert session.found("100%s.%s", ["an%s", "an"]) == {"an%s"}
    held = session.holders("100%s.%s", [Suspect("an%s")], time="at%b", most=2, where=where)
    assert held == {"an%s": Holders(1, ("7",), datetime(2026, 1, 2, tzinfo=UTC))}


@pytest.mark.parametrize("path", ["hiding.id", "behind.id"])
def test_a_policy_that_hides_rows_is_no_table_that_has_none(
    session: PostgresSession, postgres_server: EmbeddedServer, name: str, path: str
) -> None:
    with connected(postgres_server, name) as other:
        other.execute("DROP ROLE IF EXISTS sees_few")
        other.execute(
            b"CREATE ROLE sees_few; CREATE TABLE hiding (id int, who text); INSERT INTO hiding VALUES (1, 'ana');"
            b"ALTER TABLE hiding ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON hiding USING (who = current_user);"
            b"CREATE VIEW behind WITH (security_invoker = true) AS SELECT id FROM hiding;"
            b"GRANT SELECT ON hiding, behind TO sees_few"
        )
    session.connection.execute("SET ROLE sees_few")
    looks: list[Callable[[], object]] = [
        lambda: read(session, path),
        lambda: session.found(path, ["1"]),
        lambda: session.holders(path, [Suspect("1")], time="", most=1),
    ]
    for look in looks:
        with pytest.raises(StepFailed, match="row-level security policy") as raised:
            look()
        assert "BYPASSRLS" in raised.value.try_
    session.connection.execute("RESET ROLE")  # the owner
    assert read(session, path) == (Counter(["1"]), 0)


def test_a_timeout_of_the_server_is_no_wish_to_stop(session: PostgresSession) -> None:
    session.connection.execute("CREATE VIEW slowly AS SELECT id FROM parent WHERE pg_sleep(5) IS NOT NULL")
    session.connection.execute("SET statement_timeout = '50ms'")
    with pytest.raises(StepFailed, match="statement timeout") as raised:
        read(session, "slowly.id")
    assert "statement_timeout" in raised.value.try_


def test_who_waits_for_the_table_waits_until_it_is_read_and_no_longer(
    session: PostgresSession,
    postgres_server: EmbeddedServer,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whoever asks for the table behind somebody who waits for it, waits too: a second connection would wait for ever.
    monkeypatch.setattr(reading, "_FEW", 0)
    monkeypatch.setattr(reading, "_BLOCKS", 1)
    session.connection.execute("INSERT INTO parent SELECT generate_series(10, 3000)")
    with connected(postgres_server, name) as other, connected(postgres_server, name) as watch:
        wants = threading.Thread(
            target=lambda: other.execute("SET lock_timeout = '20s'; ALTER TABLE parent ADD note text")
        )

        def beside() -> psycopg.Connection[tuple[object, ...]]:
            second = connected(postgres_server, name).__enter__()
            stack.callback(second.close)
            wants.start()
            while not watch.execute("SELECT FROM pg_locks WHERE NOT granted").rowcount:
                time.sleep(0.01)
            return second

        with ExitStack() as stack:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setattr(session, "_open_beside", beside)
            assert len(read(session, "parent.id")[0]) == 2993
        wants.join()
        assert read(session, "parent.note") == (Counter(), 2994)


def test_a_table_that_is_emptied_just_before_it_is_read_has_the_rows_it_has_then(
    session: PostgresSession, postgres_server: EmbeddedServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Rewritten: for a snapshot that is older, it is empty.
    with connected(postgres_server, name) as other:
        looked, original = [], reading._column

        def column(*given: Any) -> Any:
            found = original(*given)
            looked.append(found)
            if len(looked) == 1:
                other.execute("ALTER TABLE orders ALTER user_id TYPE varchar(20)")
            return found

        monkeypatch.setattr(reading, "_column", column)
        assert read(session, "orders.user_id") == (Counter({"ana": 9}), 0)


def test_functions_of_the_service_are_not_called(session: PostgresSession) -> None:
    session.connection.execute(
        b"CREATE SCHEMA own; CREATE FUNCTION own.count() RETURNS bigint LANGUAGE sql AS 'SELECT 1/0';"
        b"CREATE FUNCTION own.json_agg(text) RETURNS json LANGUAGE sql AS 'SELECT (1/0)::text::json';"
        b"CREATE FUNCTION own.same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT 1/0 = 1';"
        b"CREATE OPERATOR own.= (LEFTARG = text, RIGHTARG = text, FUNCTION = own.same);"
        b"SET search_path = own, public, pg_catalog"
    )
    assert read(session, "orders.user_id") == (Counter({"ana": 9}), 0)
    assert set(session.found("orders.user_id", ["ana", "ben"])) == {"ana"}
    assert set(session.holders("orders.user_id", [Suspect("ana")], time="at", most=1)) == {"ana"}
