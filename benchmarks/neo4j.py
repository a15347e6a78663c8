"""A volume load into Neo4j, beside one plain UNWIND by the official driver (with its Rust extension).

``python -m benchmarks.neo4j [--rounds N] [--rows N] [--only NAME]``

Both load the same rows in batches of the same size into the same server, each in a process of its own, in turns; a
query then finds every row as it was sent. Two clocks run around the load alone: the process's own CPU time, user and
system, and the time on the wall. Imports, the making of the rows, the connection (for seedbed: its lease) and a first
batch that warms both up are outside. What seedbed does besides is inside: checking every value and every key, looking
up the constraints, and proving its lease in every transaction.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from benchmarks.clients import told
from benchmarks.lines import Line, compared, keep, machine
from seedbed.engines.neo4j.seeds.table import BATCH
from seedbed.model.seed import Dataset, Rows, SeedKind

if TYPE_CHECKING:
    from seedbed.servers.server import Server

MOST = 1.0
WARM = 500
WARM_ROUNDS = 3
# What makes the sandbox's server small, and what stands in its place.
SMALL_OPTIONS = ("-XX:+UseSerialGC", "-XX:Tiered", "-XX:CompileThreshold", "-XX:AOT", "-Xm", "-Xlog:aot")
OPTIONS = ("-XX:+UseG1GC", "-Xms1g", "-Xmx1g")
SMALL_SETTINGS = ("server.memory.", "dbms.memory.", "db.tx_log.")
SETTINGS = ("server.memory.pagecache.size=256m",)
SKILLS = 600
NAMES = ("nodes", "relationships")
WHO = ("seedbed", "driver")
Row = tuple[Any, ...]

NODE = ("id", "user_id", "name", "rating", "lessons", "takes_new", "languages", "headline")
EDGE = ("from.id", "to.slug", "rank", "since", "hours")
CONSTRAINTS = (
    "CREATE CONSTRAINT tutor IF NOT EXISTS FOR (t:Tutor) REQUIRE t.id IS UNIQUE",
    "CREATE CONSTRAINT skill IF NOT EXISTS FOR (s:Skill) REQUIRE s.slug IS UNIQUE",
)
# What anybody would write who has read the driver's manual.
PLAIN = {
    "nodes": "UNWIND $rows AS row MERGE (t:Tutor {id: row.id}) SET t += row",
    "relationships": (
        "UNWIND $rows AS row MATCH (t:Tutor {id: row.from_id}) MATCH (s:Skill {slug: row.to_slug}) "
        "MERGE (t)-[r:TEACHES]->(s) SET r += row.properties"
    ),
}
LOOK = {
    "nodes": f"MATCH (t:Tutor) RETURN [{', '.join(f't.{each}' for each in NODE)}] AS row",
    "relationships": "MATCH (t:Tutor)-[r:TEACHES]->(s:Skill) RETURN [t.id, s.slug, r.rank, r.since, r.hours] AS row",
}


def made(what: str, count: int) -> list[Row]:
    """Return `count` tutors, or `count` relationships between as many tutors and 600 skills."""
    rng = Random(20261123)
    words = ("algebra", "without", "tears", "stories", "in", "three", "languages", "später", "and", "voice")
    if what == "nodes":
        return [
            (
                f"{rng.getrandbits(128):032x}",
                f"{rng.getrandbits(128):032x}",
                f"Tutor {number}",
                rng.randrange(100) / 20,
                rng.randrange(2000),
                rng.random() < 0.7,
                rng.sample(("de", "en", "es", "it", "ja", "sv"), 2),
                " ".join(rng.choices(words, k=rng.randint(2, 12))),
            )
            for number in range(count)
        ]
    return [
        (
            f"t{number}",
            f"s{rng.randrange(SKILLS)}",
            rng.randint(1, 3),
            f"2026-0{rng.randint(1, 9)}-01",
            rng.random(),
        )
        for number in range(count)
    ]


# The clients: each runs in a process of its own, and says what the load took


def client(who: str, what: str, uri: str, count: int) -> None:
    """Load `count` rows and print the seconds that it took: of CPU, and on the wall."""
    rows = made(what, count + WARM)
    with {"seedbed": seedbed_load, "driver": driver_load}[who](what, uri) as begin:
        begin(rows[count:])
        prepared = begin.prepare(rows[:count])
        cpu, wall = time.process_time(), time.perf_counter()
        begin.run(prepared)
        print(time.process_time() - cpu, time.perf_counter() - wall)


class Load:
    """A load in two parts: what is made before the clock starts, and what it measures."""

    def __init__(self, prepare: Callable[[Sequence[Row]], Any], run: Callable[[Any], None]) -> None:
        self.prepare = prepare
        self.run = run

    def __call__(self, rows: Sequence[Row]) -> None:
        self.run(self.prepare(rows))


@contextmanager
def driver_load(what: str, uri: str) -> Iterator[Load]:
    import neo4j

    def prepare(rows: Sequence[Row]) -> list[dict[str, Any]]:
        if what == "nodes":
            return [dict(zip(NODE, each, strict=True)) for each in rows]
        return [
            {"from_id": a, "to_slug": b, "properties": {"rank": rank, "since": since, "hours": hours}}
            for a, b, rank, since, hours in rows
        ]

    with neo4j.GraphDatabase.driver(uri, auth=None) as driver, driver.session(database="neo4j") as session:

        def run(rows: Sequence[dict[str, Any]]) -> None:
            for first in range(0, len(rows), BATCH):
                session.execute_write(
                    lambda tx, batch: tx.run(PLAIN[what], rows=batch).consume(), rows[first : first + BATCH]
                )

        yield Load(prepare, run)


@contextmanager
def seedbed_load(what: str, uri: str) -> Iterator[Load]:
    from tests.support.neo4j.graphs import graph

    table, columns = ("Tutor", NODE) if what == "nodes" else ("Tutor-TEACHES-Skill", EDGE)

    def prepare(rows: Sequence[Row]) -> Dataset:
        return Dataset(SeedKind.VOLUME, (Rows("seeds/volume/1.py", table, columns, tuple(rows)),))

    with graph({"uri": uri}).lease() as lease:

        def run(dataset: Dataset) -> None:
            for _ in lease.bulk_load(dataset):
                pass

        yield Load(prepare, run)


# What is measured


def run(who: str, what: str, uri: str, count: int) -> tuple[float, float]:
    """Run a client and return its microseconds per row: of CPU, and on the wall."""
    cpu, wall = told("benchmarks.neo4j", "--client", who, "--what", what, "--uri", uri, "--rows", str(count))
    return cpu / count * 1e6, wall / count * 1e6


def lines(what: str, uri: str, rounds: int, count: int) -> list[Line]:
    """Let both load in turns; after each, every row has to be there as it was sent."""
    cpu: dict[str, list[float]] = {who: [] for who in WHO}
    wall: dict[str, list[float]] = {who: [] for who in WHO}
    for round_ in range(WARM_ROUNDS + rounds):
        # Who begins has the server's leftovers of the other to carry: they take turns in that too.
        for who in WHO if round_ % 2 else WHO[::-1]:
            prepared(what, uri, count)
            took = run(who, what, uri, count)
            check(what, uri, count)
            if round_ >= WARM_ROUNDS:
                cpu[who].append(took[0])
                wall[who].append(took[1])
    return [
        compared(what, unit, took["seedbed"], "driver", took["driver"], MOST)
        for unit, took in (("µs CPU a row", cpu), ("µs a row", wall))
    ]


def prepared(what: str, uri: str, count: int) -> None:
    """Empty the graph; for relationships, make the nodes that they are between."""
    import neo4j

    with neo4j.GraphDatabase.driver(uri, auth=None) as driver, driver.session(database="neo4j") as session:
        theirs = "MATCH (n) WHERE NOT n:migrations_history"  # a history whose nodes are gone is refused
        session.run(f"{theirs} CALL (n) {{ DETACH DELETE n }} IN TRANSACTIONS OF 5000 ROWS").consume()
        for each in CONSTRAINTS:
            session.run(each).consume()
        if what == "relationships":
            session.run(
                "UNWIND range(0, $last) AS n CREATE (:Tutor {id: 't' + n})", last=count + WARM - 1
            ).consume()
            session.run(
                "UNWIND range(0, $last) AS n CREATE (:Skill {slug: 's' + n})", last=SKILLS - 1
            ).consume()
        session.run("CALL db.awaitIndexes(300)").consume()


def check(what: str, uri: str, count: int) -> None:
    """Raise RuntimeError unless the graph holds all rows as they were sent."""
    import neo4j

    with neo4j.GraphDatabase.driver(uri, auth=None) as driver, driver.session(database="neo4j") as session:
        found = sorted(repr(list(each["row"])) for each in session.run(LOOK[what]))
    if found != sorted(repr(list(each)) for each in made(what, count + WARM)):
        raise RuntimeError(f"the graph holds {len(found)} {what}, and not those that were sent")


@contextmanager
def server() -> Iterator[str]:
    """Yield the URI of a Neo4j of our own, set up for work: the sandbox's is small, and swings by half."""
    from seedbed.engines.neo4j.sandbox import local
    from seedbed.servers import ports
    from seedbed.servers.server_pool import ServerPool

    with (
        tempfile.TemporaryDirectory(prefix="seedbed-bench-") as home,
        ServerPool(Path(home), lambda folder: grown(local.server(folder))) as servers,
    ):
        yield f"bolt://127.0.0.1:{ports.last_port(servers.ensure_running('bench/neo4j'))}"


def grown(small: Server) -> Server:
    """Return the sandbox's server with the compiler, collector and log of one that is installed, and with memory."""

    def before() -> None:
        small.before()
        rewrite(small.directory / "arguments", SMALL_OPTIONS, OPTIONS)
        rewrite(small.directory / "conf" / "neo4j.conf", SMALL_SETTINGS, SETTINGS)

    return replace(small, before=before)


def rewrite(path: Path, without: Sequence[str], lines: Sequence[str]) -> None:
    """Take the lines that begin like one of `without` out of a file, and put `lines` before the others."""
    kept = [each for each in path.read_text().splitlines() if not each.strip('"').startswith(tuple(without))]
    path.write_text("\n".join([*lines, *kept]) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neo4j", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=12, help="how often each client has its turn")
    parser.add_argument("--rows", type=int, default=40_000, help="rows of one load")
    parser.add_argument("--only", choices=NAMES, action="append", help="measure only this; may be repeated")
    for each in ("--client", "--what", "--uri"):
        parser.add_argument(each, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.client:
        client(asked.client, asked.what, asked.uri, asked.rows)
        return 0
    amounts = {"rounds": asked.rounds, "rows": asked.rows, "batch": BATCH}
    settings, found = machine("neo4j", "neo4j-rust-ext", "msgspec", **amounts), []
    print(json.dumps(settings), flush=True)
    with server() as uri:
        for name in asked.only or NAMES:
            for line in lines(name, uri, asked.rounds, asked.rows):
                print(line, flush=True)
                found.append(line)
    if not asked.only:
        keep("neo4j", settings, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
