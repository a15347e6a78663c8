"""What a revert says that it removes: of the tables that its statements name, and of those that go along with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from seedbed.engines.postgres.files.parse import parse
from seedbed.engines.postgres.running.losses import losses
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.wire.messages import plain
from seedbed.model.migration import Direction, MigrationFile, Source, Work, checksum
from tests.support.postgres.wire import connected

Removed = Callable[[str], list[str]]

TABLES = """
CREATE TABLE people (id int PRIMARY KEY);
CREATE TABLE orders (id int PRIMARY KEY, person int REFERENCES people ON DELETE CASCADE);
CREATE SCHEMA shop;
CREATE TABLE shop.lines (id int, "order" int REFERENCES orders ON DELETE CASCADE);
CREATE TABLE notes (id int, person int REFERENCES people ON DELETE SET NULL);
ALTER TABLE people ADD boss int REFERENCES people ON DELETE CASCADE;
INSERT INTO people SELECT generate_series(1, 3); INSERT INTO orders VALUES (1, 1), (2, 1);
INSERT INTO shop.lines SELECT n, 1 FROM generate_series(1, 5) AS n; INSERT INTO notes VALUES (1, 1);
CREATE TABLE days (at int) PARTITION BY RANGE (at);
CREATE TABLE past PARTITION OF days FOR VALUES FROM (0) TO (10); CREATE TABLE ahead PARTITION OF days DEFAULT;
INSERT INTO days VALUES (1), (2), (20);
CREATE TYPE mood AS ENUM ('ok'); CREATE EXTENSION citext;
CREATE TABLE felt (id int, how mood, hows mood[], name citext, rest text);
INSERT INTO felt VALUES (1, 'ok', '{ok}', 'a', 'b'), (2, 'ok', NULL, NULL, 'b');
"""


@pytest.fixture
def removed(postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> Iterator[Removed]:
    """Return what says how much a down section removes."""
    with connected(postgres_server, new_database()) as connection:
        connection.execute(TABLES.encode())
        yield lambda down: _said(connection, down)


def _said(connection: psycopg.Connection, down: str) -> list[str]:
    data = f"-- migrate:up\nSELECT 1;\n-- migrate:down\n{down};\n".encode()
    migration = parse(MigrationFile("1", "x", Source("1_x.sql", ".sql", data), checksum(data)))
    return [str(each) for each in losses(plain(connection).rows, [Work(migration, Direction.DOWN)])]


def test_what_goes_along_by_a_foreign_key_is_counted_too(removed: Removed) -> None:
    along = ["table orders, by ON DELETE CASCADE: at most 2 rows"]
    along += ["table shop.lines, by ON DELETE CASCADE: at most 5 rows"]
    assert removed("DELETE FROM people") == ["table people: 3 rows", *along]
    assert removed("DELETE FROM people WHERE id = 1") == ["table people: at most 3 rows", *along]
    assert removed("DELETE FROM notes") == ["table notes: 1 row"]
    assert removed("TRUNCATE orders CASCADE") == [
        "table orders: 2 rows",
        "table shop.lines, by TRUNCATE … CASCADE: 5 rows",
    ]
    assert removed("TRUNCATE people CASCADE") == [
        "table people: 3 rows",
        "table notes, by TRUNCATE … CASCADE: 1 row",
        "table orders, by TRUNCATE … CASCADE: 2 rows",
        "table shop.lines, by TRUNCATE … CASCADE: 5 rows",
    ]


def test_what_goes_in_two_ways_is_counted_once(removed: Removed) -> None:
    assert removed("DELETE FROM people; DELETE FROM orders; DROP TABLE shop.lines") == [
        "table people: 3 rows",
        "table orders: 2 rows",
        "table shop.lines: 5 rows",
    ]
    assert removed("TRUNCATE people, orders, notes, shop.lines")[1:] == [
        "table orders: 2 rows",
        "table notes: 1 row",
        "table shop.lines: 5 rows",
    ]


def test_a_constraint_that_goes_along_is_no_loss(removed: Removed) -> None:
    assert removed("DROP TABLE people CASCADE") == ["table people: 3 rows"]


def test_a_partition_is_a_table(removed: Removed) -> None:
    assert removed("DROP TABLE past") == ["table past: 2 rows"]
    assert removed("DROP TABLE days") == ["table days: 3 rows"]


def test_columns_that_go_with_their_type_are_counted(removed: Removed) -> None:
    assert removed("DROP TYPE mood CASCADE") == [
        "column public.felt.how, by DROP TYPE … CASCADE: 2 rows",
        "column public.felt.hows, by DROP TYPE … CASCADE: 1 row",
    ]
    assert removed("DROP EXTENSION citext CASCADE") == [
        "column public.felt.name, by DROP EXTENSION … CASCADE: 1 row"
    ]
    assert removed("DROP TYPE mood") == []
