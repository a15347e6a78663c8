"""Backfills of a table, beside the loops that a developer writes by hand with psycopg.

``python -m benchmarks.backfill [--rounds N] [--rows N] [--only NAME]``

Each client converts all rows of a fresh copy of the same table, in batches of the same size, in a process of its own,
in turns; a query then checks every row. Two clocks run around the backfill alone: the process's own CPU time, user and
system, and the time on the wall. Imports, the connection and, for seedbed, the lease are outside. What seedbed does
besides is inside: it looks the table up, keeps a checkpoint in the transaction of each batch, and reports progress.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from benchmarks.clients import told
from benchmarks.lines import Line, compared, keep, machine
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded

BATCH = 1000
STATEMENT_MOST, FUNCTION_MOST = 1.15, 1.3
NAMES = ("statement", "function")
PEERS = {"statement": ("keyset",), "function": ("unnest", "executemany")}
MOST = {"keyset": STATEMENT_MOST, "unnest": FUNCTION_MOST, "executemany": None}
TABLE = """
CREATE TABLE people (
    id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, joined_at timestamptz NOT NULL,
    lessons integer NOT NULL, first_name text, last_name text
);
INSERT INTO people (id, name, email, joined_at, lessons)
SELECT n, 'Given' || n % 977 || ' Family' || n, 'person' || n || '@example.org', now() - n * interval '1 min', n % 50
FROM generate_series(1, {rows}) AS n;
VACUUM ANALYZE people;
CHECKPOINT
"""
WRONG = "SELECT count(*) FROM people WHERE first_name || ' ' || last_name IS DISTINCT FROM name"
SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "wal_level", "shared_buffers", "max_wal_size")

SET: LiteralString = "SET first_name = split_part(name, ' ', 1), last_name = split_part(name, ' ', 2)"
MIGRATIONS = {
    "statement": (
        ".sql",
        f"-- seedbed: phase=migrate backfill=people.id batch={BATCH}\n-- migrate:up\n"
        f"UPDATE people {SET} WHERE id BETWEEN $1 AND $2;\n",
    ),
    "function": (
        ".py",
        f"# seedbed: phase=migrate backfill=people.id batch={BATCH}\n\n\n"
        "def up(row):\n"
        "    first, _, last = row['name'].partition(' ')\n"
        "    return {'first_name': first, 'last_name': last}\n",
    ),
}

Connection = psycopg.Connection[tuple[Any, ...]]


# The clients: each runs in a process of its own, and prints what the backfill took


def client(who: str, what: str, host: str, port: str, user: str, database: str) -> None:
    """Convert all rows and print the seconds that it took: of CPU, and on the wall."""
    settings = {"host": host, "port": port, "user": user}
    with prepared(who, what, settings, database) as backfill:
        cpu, wall = time.process_time(), time.perf_counter()
        backfill()
        print(time.process_time() - cpu, time.perf_counter() - wall)


@contextmanager
def prepared(who: str, what: str, settings: dict[str, str], database: str) -> Iterator[Callable[[], None]]:
    """Yield the backfill, connected and ready to begin."""
    if who == "seedbed":
        with seedbed(what, settings, database) as backfill:
            yield backfill
        return
    loop = {"keyset": keyset, "unnest": unnest, "executemany": executemany}[who]
    with psycopg.connect(**settings, dbname=database) as connection:  # type: ignore[arg-type]
        yield lambda: loop(connection)


@contextmanager
def seedbed(what: str, settings: dict[str, str], database: str) -> Iterator[Callable[[], None]]:
    from seedbed.engines.postgres import engine
    from seedbed.engines.postgres.options import Options
    from seedbed.model.history import Identity, Owner
    from seedbed.model.migration import MigrationFile, Source, Work, checksum
    from tests.support.postgres.wire import target

    suffix, text = MIGRATIONS[what]
    data = text.encode()
    path = f"20260101000001_names{suffix}"
    migration = engine.parse(
        MigrationFile("20260101000001", "names", Source(path, suffix, data), checksum(data))
    )
    place = target(engine.address({**settings, "name": database}, Options()))
    with (
        engine.connect(place) as session,
        session.lease(Owner("1", "bench", ""), wait=10.0, listener=lambda _: None) as lease,
    ):
        lease.bind(Identity("platform", "user/postgres", "dev-bench"))

        def backfill() -> None:
            for _ in lease.apply([Work(migration)]):
                pass

        yield backfill


def keyset(connection: Connection) -> None:
    """Two statements and a commit for each batch; nothing remembers how far it came."""
    last = 0
    while True:
        query = "SELECT max(id) FROM (SELECT id FROM people WHERE id > %s ORDER BY id LIMIT %s) AS batch"
        row = connection.execute(query, [last, BATCH]).fetchone()
        if row is None or row[0] is None:
            return
        connection.execute(f"UPDATE people {SET} WHERE id > %s AND id <= %s", [last, row[0]])
        connection.commit()
        last = row[0]


def rows_after(connection: Connection, last: int) -> list[tuple[int, str]]:
    query = "SELECT id, name FROM people WHERE id > %s ORDER BY id LIMIT %s FOR UPDATE"
    return connection.execute(query, [last, BATCH]).fetchall()


def unnest(connection: Connection) -> None:
    last = 0
    while rows := rows_after(connection, last):
        names = [name.partition(" ") for _, name in rows]
        connection.execute(
            "UPDATE people SET first_name = new.first_name, last_name = new.last_name "
            "FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS new (id, first_name, last_name) "
            "WHERE people.id = new.id",
            [[id_ for id_, _ in rows], [first for first, _, _ in names], [last_ for _, _, last_ in names]],
        )
        connection.commit()
        last = rows[-1][0]


def executemany(connection: Connection) -> None:
    last = 0
    while rows := rows_after(connection, last):
        changes = []
        for id_, name in rows:
            first, _, family = name.partition(" ")
            changes.append((first, family, id_))
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE people SET first_name = %s, last_name = %s WHERE id = %s", changes)
        connection.commit()
        last = rows[-1][0]


# What is measured


class Bench:
    """A server with a table that is copied for each turn."""

    def __init__(self, server: EmbeddedServer, rows: int) -> None:
        self.server = server
        self.rows = rows
        server.ensure_database("template_people")
        with self.connected("template_people") as connection:
            for statement in TABLE.format(rows=rows).split(";"):
                connection.execute(statement.encode())

    @contextmanager
    def connected(self, database: str) -> Iterator[Connection]:
        with closing(psycopg.connect(**self.server.dsn(database), autocommit=True)) as connection:  # type: ignore[arg-type]
            yield connection

    def run(self, who: str, what: str) -> tuple[float, float]:
        """Run a client on a fresh copy and return its microseconds per row: of CPU, and on the wall."""
        name = f"people_{uuid.uuid4().hex[:12]}"
        with self.connected("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template_people".encode())
            connection.execute("CHECKPOINT")
        try:
            server = self.server
            place = (server.socket_directory, str(server.port), server.user, name)
            took = told("benchmarks.backfill", "--client", who, "--what", what, "--place", *place)
            with self.connected(name) as connection:
                wrong = connection.execute(WRONG.encode()).fetchone()
            if wrong != (0,):
                raise RuntimeError(f"{who} left {wrong} rows as they were")
        finally:
            server.drop_database(name)
        cpu, wall = took
        return cpu / self.rows * 1e6, wall / self.rows * 1e6

    def lines(self, what: str, rounds: int) -> list[Line]:
        """Let the clients take turns for all rounds, after a turn each that does not count."""
        clients = ("seedbed", *PEERS[what])
        cpu: dict[str, list[float]] = {who: [] for who in clients}
        wall: dict[str, list[float]] = {who: [] for who in clients}
        for round_ in range(rounds + 1):
            for who in clients if round_ % 2 else clients[::-1]:
                took = self.run(who, what)
                if round_:
                    cpu[who].append(took[0])
                    wall[who].append(took[1])
        return [
            compared(what, unit, took["seedbed"], peer, took[peer], MOST[peer])
            for peer in PEERS[what]
            for unit, took in (("µs CPU a row", cpu), ("µs a row", wall))
        ]


def facts_of(server: EmbeddedServer, **amounts: int) -> dict[str, Any]:
    with psycopg.connect(**server.dsn("postgres")) as connection:  # type: ignore[arg-type]
        settings = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in SETTINGS}
    postgresql = {"version": server.version, **{name: row[0] for name, row in settings.items() if row}}
    return machine("psycopg", postgresql=postgresql, batch=BATCH, **amounts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=8, help="how often each client has its turn")
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the table")
    parser.add_argument("--only", choices=NAMES, action="append", help="measure only this; may be repeated")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--what", help=argparse.SUPPRESS)
    parser.add_argument("--place", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.client:
        client(asked.client, asked.what, *asked.place)
        return 0
    found = []
    with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as home:
        Path(home).chmod(0o755)
        with embedded(Path(home)) as server:
            facts = facts_of(server, rounds=asked.rounds, rows=asked.rows)
            print(json.dumps(facts), flush=True)
            bench = Bench(server, asked.rows)
            for name in asked.only or NAMES:
                for line in bench.lines(name, asked.rounds):
                    print(line, flush=True)
                    found.append(line)
    if not asked.only:
        keep("backfill", facts, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
