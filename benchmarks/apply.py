"""How long a whole `seedbed` process takes, beside `psql` and Alembic that do the same work in the same minutes.

``python -m benchmarks.apply [--rounds N] [--only NAME]``

Peers take turns (A B C A B C …) on fresh databases, which are made before the clock starts; what counts are the
ratios of neighbours in one round. Every program has had one run before, so caches are warm for all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import corpus
from benchmarks.lines import Line, compared, keep, machine
from benchmarks.wire import counted
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from tests.support.projects import ProjectFiles, clean_environment, command, variables

SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "wal_level", "shared_buffers", "max_wal_size")
ENVIRONMENT = "dev-bench"
DATABASES = 50
MIGRATIONS_EACH = 20
SHORT = 20  # rounds at least, for what takes less than a second: its ratios spread more


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process took: wall clock and CPU (of it and its children), in seconds."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Program:
    """A command line, where it runs and with which variables; `database` is what it works on."""

    name: str
    arguments: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self) -> Spent:
        """Run it and wait. Raises RuntimeError with what it said if it fails."""
        with tempfile.TemporaryFile() as said:
            began = time.perf_counter()
            process = subprocess.Popen(
                self.arguments,
                cwd=self.cwd,
                env=clean_environment({**self.env, "PYTHONDONTWRITEBYTECODE": ""}),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            _, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                said.seek(0)
                raise RuntimeError(
                    f"{self.name} left with {process.returncode}: {said.read()[-2000:].decode()}"
                )
        return Spent(wall, used.ru_utime + used.ru_stime)


class Bench:
    """A server, a directory, and the peers that work on them."""

    def __init__(self, server: EmbeddedServer, root: Path, rounds: int) -> None:
        self.server = server
        self.root = root
        self.rounds = rounds

    @contextmanager
    def database(self) -> Iterator[str]:
        name = f"bench_{uuid.uuid4().hex[:12]}"
        self.server.ensure_database(name)
        try:
            yield name
        finally:
            self.server.drop_database(name)

    def written(self, count: int) -> Path:
        """Return the directory of a corpus of `count` migrations, written once for each tool."""
        root = self.root / f"corpus-{count}"
        if not root.exists():
            scripts = corpus.corpus(count)
            corpus.write_for_seedbed(root / "seedbed", scripts)
            corpus.write_for_psql(root / "psql", scripts)
            corpus.write_for_alembic(root / "alembic", scripts)
        return root

    def programs(self, count: int, database: str) -> dict[str, Program]:
        root, server = self.written(count), self.server
        psql = [str(server.bin / "psql"), "-X", "-q", "-h", server.socket_directory, "-p", str(server.port)]
        url = f"postgresql+psycopg://{server.user}@/{database}?host={server.socket_directory}&port={server.port}"
        alembic = [sys.executable, "-m", "alembic", "upgrade", "head"]
        return {
            "seedbed": Program(
                "seedbed", command("apply", "-e", ENVIRONMENT), root / "seedbed", variables(server, database)
            ),
            "psql": Program(
                "psql", [*psql, "-U", server.user, "-d", database, "-f", "all.sql"], root / "psql"
            ),
            "alembic": Program("alembic", alembic, root / "alembic", {"BENCH_URL": url}),
        }

    def turns(
        self, names: Sequence[str], run: Callable[[str], Spent], *, least: int = 0
    ) -> dict[str, list[Spent]]:
        """Let `names` take turns for all rounds, `least` of them, after a turn each that does not count."""
        spent: dict[str, list[Spent]] = {name: [] for name in names}
        for round_ in range(max(self.rounds, least) + 1):
            for name in names:
                each = run(name)
                if round_:
                    spent[name].append(each)
        return spent

    # What is measured

    def fresh(self, count: int, most: float) -> list[Line]:
        """A fresh database, all migrations."""

        def run(name: str) -> Spent:
            with self.database() as database:
                return self.programs(count, database)[name].run()

        spent = self.turns(("seedbed", "psql", "alembic"), run)
        ours, psql, alembic = (walls(spent[each]) for each in ("seedbed", "psql", "alembic"))
        return [
            compared(f"fresh database, {count} migrations", "s", ours, "psql", psql, most),
            compared(f"fresh database, {count} migrations", "s", ours, "Alembic", alembic, None),
        ]

    def without_work(self, count: int) -> list[Line]:
        """An apply on databases that have everything."""
        with self.database() as ours, self.database() as theirs:
            programs = {
                "seedbed": self.programs(count, ours)["seedbed"],
                "alembic": self.programs(count, theirs)["alembic"],
            }
            spent = self.turns(tuple(programs), lambda name: programs[name].run(), least=SHORT)
        walls_of = {name: walls(each) for name, each in spent.items()}
        name = f"nothing to do, {count} migrations"
        return [compared(name, "s", walls_of["seedbed"], "Alembic", walls_of["alembic"], 1 / 3)]

    def round_trips(self, count: int) -> list[Line]:
        """What goes over the wire, login and history included."""
        with self.database() as database, counted(self.server.socket_directory, self.server.port) as wire:
            program = self.programs(count, database)["seedbed"]
            env = {**program.env, "DB_HOST": str(wire.directory)}
            Program(program.name, program.arguments, program.cwd, env).run()
            trips = float(wire.round_trips)
        return [compared("round trips", "trips", [trips], f"{count} migrations", [float(count)], 1.2)]

    def many(self) -> list[Line]:
        """Fifty databases that have everything, in one command, beside one such database."""
        with self.project(DATABASES) as all_, self.project(1) as one:
            programs = {"fifty": all_, "one": one}
            for each in programs.values():
                each.run()
            spent = self.turns(tuple(programs), lambda name: programs[name].run(), least=SHORT)
        name = f"{DATABASES} databases up to date"
        return [compared(name, "s", walls(spent["fifty"]), "one database", walls(spent["one"]), 3.0)]

    @contextmanager
    def project(self, size: int) -> Iterator[Program]:
        """Yield an apply on a project of `size` services with a database each."""
        services = [f"service{number:02d}" for number in range(size)]
        root = self.root / f"services-{size}"
        root.mkdir()
        files = ProjectFiles(root, services)
        env: dict[str, str] = {}
        names = [f"many_{uuid.uuid4().hex[:12]}" for _ in services]
        for service, name in zip(services, names, strict=True):
            files.tables(MIGRATIONS_EACH, service=service)
            self.server.ensure_database(name)
            env |= variables(self.server, name, f"{service.upper()}_")
        try:
            yield Program("seedbed", command("apply", "-e", ENVIRONMENT), root, env)
        finally:
            for name in names:
                self.server.drop_database(name)

    def help(self) -> list[Line]:
        """CPU of a page of help, beside that of importing click."""
        programs = {
            "seedbed": Program("seedbed", command("--help"), self.root),
            "click": Program("click", [sys.executable, "-c", "import click"], self.root),
        }
        spent = self.turns(tuple(programs), lambda name: programs[name].run(), least=SHORT)
        ours, click = ([each.cpu for each in spent[name]] for name in ("seedbed", "click"))
        return [compared("seedbed --help", "s CPU", ours, "import click", click, 3.0)]

    def measures(self) -> dict[str, Callable[[], list[Line]]]:
        return {
            "fresh-200": lambda: self.fresh(200, 1.3),
            "fresh-1000": lambda: self.fresh(1000, 1.0),
            "round-trips": lambda: [*self.round_trips(200), *self.round_trips(1000)],
            "noop-200": lambda: self.without_work(200),
            "noop-1000": lambda: self.without_work(1000),
            "fifty": self.many,
            "help": self.help,
        }


NAMES = ("fresh-200", "fresh-1000", "round-trips", "noop-200", "noop-1000", "fifty", "help")


def walls(spent: Sequence[Spent]) -> list[float]:
    return [each.wall for each in spent]


def settings_of(server: EmbeddedServer, rounds: int) -> dict[str, Any]:
    with psycopg.connect(**server.dsn("postgres")) as connection:  # type: ignore[arg-type]
        settings = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in SETTINGS}
    postgresql = {"version": server.version, **{name: row[0] for name, row in settings.items() if row}}
    return machine("psycopg", "alembic", "SQLAlchemy", "click", postgresql=postgresql, rounds=rounds)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.apply", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each peer has its turn")
    parser.add_argument("--only", choices=NAMES, action="append", help="measure only this; may be repeated")
    asked = parser.parse_args(arguments)
    root = Path(tempfile.mkdtemp(prefix="seedbed-bench-"))
    root.chmod(0o755)
    try:
        with embedded(root) as server:
            settings = settings_of(server, asked.rounds)
            print(json.dumps(settings), flush=True)
            lines = measured(Bench(server, root / "work", asked.rounds), asked.only or NAMES)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    if not asked.only:
        keep("apply", settings, lines)
    return 0


def measured(bench: Bench, names: Sequence[str]) -> list[Line]:
    bench.root.mkdir()
    measures, lines = bench.measures(), []
    for name in names:
        for line in measures[name]():
            print(line, flush=True)
            lines.append(line)
    return lines


if __name__ == "__main__":
    sys.exit(main())
