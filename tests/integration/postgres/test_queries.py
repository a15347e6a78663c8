"""Queries of expectations on PostgreSQL: what a query may be, what the server refuses, and what ends one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from seedbed.engines.postgres import engine
from seedbed.engines.postgres.options import Options
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.session import PostgresSession
from seedbed.errors import Interrupted, StepFailed, UsageError
from tests.support.postgres.wire import connected, target

TABLES = """
CREATE TABLE entries (id int PRIMARY KEY, amount numeric, at timestamptz);
INSERT INTO entries VALUES (1, 1.50, '2026-01-02+00'), (2, -1.50, NULL);
CREATE SEQUENCE numbers;
CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS $$ INSERT INTO entries VALUES (9); SELECT 1 $$;
"""


@pytest.fixture
def session(postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> Iterator[PostgresSession]:
    name = new_database()
    with connected(postgres_server, name) as connection:
        connection.execute(TABLES.encode())
    with engine.connect(target(engine.address(postgres_server.settings_of(name), Options()))) as session:
        assert isinstance(session, PostgresSession)
        yield session


def test_values_are_as_the_server_writes_them(session: PostgresSession) -> None:
    (row,) = session.rows("WITH one AS (TABLE entries) SELECT *, true, 1 AS id FROM one WHERE id = 1;", 10)
    assert row == {
        "id": "1",
        "amount": "1.50",
        "at": "2026-01-02 00:00:00+00",
        "?column?": "t",
        "id (2)": "1",
    }
    assert session.rows("SELECT '100%' AS share -- %s", 10) == [{"share": "100%"}]
    assert session.number("SELECT sum(amount) FROM entries") == Decimal("0.00")
    with pytest.raises(StepFailed, match="a query whose number is compared has none"):
        session.number("SELECT sum(amount) FROM entries WHERE id > 2")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT writes()",
        "SELECT nextval('numbers')",
        "SELECT set_config('transaction_read_only', 'off', true), writes()",
        "WITH gone AS (DELETE FROM entries RETURNING id) SELECT * FROM gone",
        "DELETE FROM entries RETURNING id",
    ],
)
def test_what_writes_is_refused_by_the_server(session: PostgresSession, query: str) -> None:
    with pytest.raises(UsageError, match="would write"):
        session.rows(query, 10)
    assert session.number("SELECT count(*) FROM entries") == 2


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; COMMIT; DELETE FROM entries",
        "SELECT 1; DELETE FROM entries",
        "COMMIT",
        "",
    ],
)
def test_a_query_is_one_select(session: PostgresSession, query: str) -> None:
    with pytest.raises(StepFailed):
        session.rows(query, 10)
    assert session.number("SELECT count(*) FROM entries") == 2


@pytest.mark.parametrize(
    ("query", "said", "because"),
    [
        ("SELEC 1", 'syntax error at or near "SELEC"', "SQLSTATE 42601, at character 1 of the query"),
        (
            "SELECT 1 FROM entrys",
            'relation "entrys" does not exist',
            "SQLSTATE 42P01, at character 15 of the query",
        ),
        (
            "SELECT ammount FROM entries",
            'column "ammount" does not exist',
            'reference the column "entries.amount"',
        ),
    ],
)
def test_a_query_that_is_wrong_is_told_with_the_place(
    session: PostgresSession, query: str, said: str, because: str
) -> None:
    with pytest.raises(StepFailed) as caught:
        session.rows(query, 10)
    assert caught.value.what == f"the query of an expectation is wrong: {said}"
    assert because in caught.value.because
    assert caught.value.try_ == "correct the query: one SELECT, VALUES or WITH"


def test_a_query_that_is_interrupted_ends(session: PostgresSession) -> None:
    assert session.number("SELECT count(*) FROM entries") == 2  # it is connected
    timer = threading.Timer(0.3, session.interrupt)
    timer.start()
    with pytest.raises(Interrupted):
        session.rows("SELECT pg_sleep(60)", 10)
    timer.join()
    assert session.number("SELECT count(*) FROM entries") == 2
