"""How long `seedbed verify` takes, beside psql that reads the same two columns and compares nothing.

``python -m benchmarks.verify [--rounds N] [--rows N …]``

Two databases: one with users, one with orders that each refer to a user; a few orders refer to nobody, and have to be
found. Both fields have an index, as fields by which rows are looked up have. Both programs are whole processes, and
take turns. psql copies both columns, one after the other, in binary form to /dev/null: what any program that compares
them has to read. Memory is the most that a process had, by the kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import peers
from benchmarks.apply import SETTINGS
from benchmarks.lines import Line, compared, keep, machine
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from seedbed.errors import ExitCode
from tests.support.projects import ProjectFiles, clean_environment, variables

MOST = 1.3
MOST_MEMORY = 300  # MiB
LOST = 60  # orders of nobody
ROWS = (1_000_000, 3_000_000, 10_000_000, 30_000_000)
JUDGED = 10_000_000
REFERENCE = (
    '[[references]]\nfrom = "shop/postgres:orders.user_id"\nto = "user/postgres:users.id"\ngrace = "0s"\n'
)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process took: seconds on the wall, seconds of CPU, MiB."""

    wall: float
    cpu: float
    memory: float


def run(arguments: Sequence[str], cwd: Path, env: dict[str, str], code: int = 0) -> tuple[Spent, str]:
    """Run a program to its end; return what it took, and its standard output. Raises RuntimeError for other codes."""
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(arguments, cwd=cwd, env=clean_environment(env), stdout=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        out = said.read().decode()
    if process.returncode != code:
        raise RuntimeError(f"{arguments[0]} left with {process.returncode}: {out[-2000:]}")
    return Spent(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), out


class Bench:
    """A server with two databases, and a platform that refers from one to the other."""

    def __init__(self, server: EmbeddedServer, root: Path) -> None:
        self.server, self.root = server, root
        ProjectFiles(root, ("user", "shop")).manifest(("user", "shop"), REFERENCE)
        self.env = {**variables(server, "user", "USER_"), **variables(server, "shop", "SHOP_")}

    def fill(self, rows: int) -> None:
        """Make both tables anew: `rows` users, as many orders, of which LOST are of nobody."""
        for name in ("user", "shop"):
            self.server.drop_database(name)
            self.server.ensure_database(name)
        with self._connected("user") as users, self._connected("shop") as shop:
            users.execute(
                f"CREATE TABLE users AS SELECT gen_random_uuid() AS id, 'user' || n AS name"
                f" FROM generate_series(1, {rows}) AS n".encode()
            )
            shop.execute(
                "CREATE TABLE orders (user_id uuid, id bigint GENERATED ALWAYS AS IDENTITY, what text)"
            )
            some = f"SELECT id FROM users ORDER BY name LIMIT {rows - LOST}".encode()
            with (
                users.cursor().copy(b"COPY (" + some + b") TO STDOUT") as out,
                shop.cursor().copy("COPY orders (user_id) FROM STDIN") as into,
            ):
                for data in out:
                    into.write(data)
            shop.execute(
                f"INSERT INTO orders (user_id) SELECT gen_random_uuid() FROM generate_series(1, {LOST})".encode()
            )
            users.execute("ALTER TABLE users ADD PRIMARY KEY (id)")
            shop.execute("CREATE INDEX ON orders (user_id)")
            for connection in (users, shop):
                connection.execute("VACUUM ANALYZE")
                connection.execute("CHECKPOINT")

    def _connected(self, name: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(**self.server.dsn(name), autocommit=True)  # type: ignore[arg-type]

    def seedbed(self) -> Spent:
        """Verify, and require that every order of nobody is found."""
        call = [sys.executable, "-m", "seedbed", "verify", "-e", "dev-bench", "--json", "--quiet"]
        spent, out = run(call, self.root, self.env, int(ExitCode.FOUND))
        (found,) = json.loads(out)["references"]
        if found["orphans"] != LOST:
            raise RuntimeError(f"it found {found}")
        return spent

    def psql(self) -> Spent:
        """Copy both columns, one after the other."""
        place = ["-h", self.server.socket_directory, "-p", str(self.server.port), "-U", self.server.user]
        spent = []
        for database, query in (("shop", "SELECT user_id FROM orders"), ("user", "SELECT id FROM users")):
            copy = f"\\copy ({query}) TO '/dev/null' (FORMAT binary)"
            call = [str(peers.psql(self.server.bin)), "-X", "-q", *place, "-d", database, "-c", copy]
            spent.append(run(call, self.root, {})[0])
        return Spent(sum(each.wall for each in spent), sum(each.cpu for each in spent), 0)

    def lines(self, rows: int, rounds: int) -> list[Line]:
        self.fill(rows)
        ours: list[Spent] = []
        theirs: list[Spent] = []
        for round_ in range(rounds + 1):
            one, two = self.seedbed(), self.psql()
            if round_:
                ours.append(one)
                theirs.append(two)
        most = MOST if rows == JUDGED else None
        memory = [each.memory for each in ours]
        title = f"{rows:,} ids in {rows:,}"
        return [
            compared(title, "s", [each.wall for each in ours], "psql", [each.wall for each in theirs], most),
            compared(
                title, "s CPU", [each.cpu for each in ours], "psql", [each.cpu for each in theirs], None
            ),
            compared(title, "MiB", memory, "the most it may", [MOST_MEMORY] * len(ours), 1 if most else None),
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each program has its turn")
    parser.add_argument("--rows", type=int, action="append", help="rows of each table; may be repeated")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as home:
        Path(home).chmod(0o755)
        root = Path(home) / "platform"
        root.mkdir()
        with embedded(Path(home) / "server") as server, closing(_connect(server)) as connection:
            settings = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in SETTINGS}
            known = {"version": server.version, **{name: row[0] for name, row in settings.items() if row}}
            facts = machine("psycopg", "numpy", postgresql=known, rounds=asked.rounds)
            print(json.dumps(facts), flush=True)
            bench = Bench(server, root)
            found: list[Line] = []
            for rows in asked.rows or ROWS:
                for line in bench.lines(rows, asked.rounds):
                    print(line, flush=True)
                    found.append(line)
    if not asked.rows:
        keep("verify", facts, found)
    return 0


def _connect(server: EmbeddedServer) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(**server.dsn("postgres"), autocommit=True)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
