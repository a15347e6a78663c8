"""How long a whole `seedbed` process takes, beside other tools that do the same work in the same minutes.

``python -m benchmarks.apply [--rounds N] [--only NAME]``

Peers take turns (A B C A B C …) on fresh databases, which are made before the clock starts; what counts are the
ratios of neighbours in one round. Every program has had one run before, so caches are warm for all of them. Ours is
installed as a wheel into an environment that has the locked packages of PostgreSQL and nothing else; `floor` is
``python -c "import click, msgspec"`` there. What cannot be had here is said, and left out. The server is the
sandbox's, for all of them alike: its settings stand in the results.
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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import corpus, peers
from benchmarks.lines import Line, compared, keep, machine
from benchmarks.wire import counted
from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from tests.support.projects import ProjectFiles, clean_environment, variables

SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "wal_level", "shared_buffers", "max_wal_size")
ENVIRONMENT = "dev-bench"
MIGRATIONS_EACH = 20
SHORT = 20  # rounds at least, for what takes less than a second: its ratios spread more
TOOLS = ("psql", "goose", "dbmate", "tern", "alembic")
FILES = (1_000, 10_000, 30_000)
DATABASES = (1, 50, 200)


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
    """A server, a directory, and the programs that work on them. `missing`: why a tool is left out, by its name."""

    def __init__(self, server: EmbeddedServer, root: Path, rounds: int) -> None:
        self.server = server
        self.root = root
        self.rounds = rounds
        self.python = peers.bare()
        self.tools: dict[str, Path] = {}
        self.missing: dict[str, str] = {}
        finders: dict[str, Callable[[], Path]] = {
            "psql": lambda: peers.psql(server.bin),
            "goose": lambda: peers.built("goose"),
            "dbmate": peers.dbmate,
            "tern": lambda: peers.built("tern"),
            "alembic": lambda: Path(sys.executable),
        }
        for name, get in finders.items():
            try:
                self.tools[name] = get()
            except peers.Missing as error:
                self.missing[name] = str(error)
        assert tuple(self.tools) == tuple(name for name in TOOLS if name not in self.missing)

    @property
    def seedbed(self) -> str:
        return str(self.python.with_name("seedbed"))

    @property
    def floor(self) -> Program:
        return Program("floor", [str(self.python), "-c", "import click, msgspec"], self.root)

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
            for name, write in corpus.WRITERS.items():
                write(root / name, scripts)
        return root

    def program(self, name: str, count: int, database: str, verb: str = "apply") -> Program:
        """Return what applies the corpus of `count` to `database`, or shows its state (`verb`: status)."""
        root, server = self.written(count) / name, self.server
        if name == "seedbed":
            arguments = [self.seedbed, verb, "-e", ENVIRONMENT]
            return Program(name, arguments, root, variables(server, database))
        tool, socket, port, user = str(self.tools[name]), server.socket_directory, server.port, server.user
        words = f"host={socket} port={port} user={user} dbname={database} sslmode=disable"
        url = f"postgres://{user}@/{database}?host={socket}&port={port}&sslmode=disable"
        env: dict[str, str] = {}
        match name:
            case "psql":
                call = [
                    "-X",
                    "-q",
                    "-h",
                    str(socket),
                    "-p",
                    str(port),
                    "-U",
                    user,
                    "-d",
                    database,
                    "-f",
                    "all.sql",
                ]
            case "goose":
                call = ["-dir", ".", "postgres", words, "up" if verb == "apply" else "status"]
            case "dbmate":
                call = ["--url", url, "--migrations-dir", ".", "--no-dump-schema"]
                call.append("migrate" if verb == "apply" else "status")
            case "tern":
                call = [
                    "migrate" if verb == "apply" else "status",
                    "--migrations",
                    ".",
                    "--conn-string",
                    words,
                ]
            case _:
                call = [
                    "-m",
                    "alembic",
                    *(["upgrade", "head"] if verb == "apply" else ["current", "--verbose"]),
                ]
                env = {"BENCH_URL": f"postgresql+psycopg://{user}@/{database}?host={socket}&port={port}"}
        return Program(name, [tool, *call], root, env)

    def turns(
        self, names: Sequence[str], run: Callable[[str], Spent], *, least: int = 0
    ) -> dict[str, list[Spent]]:
        """Let `names` take turns for all rounds, `least` of them, after a turn each that does not count."""
        spent: dict[str, list[Spent]] = {name: [] for name in names}
        for round_ in range(max(self.rounds, least) + 1):
            for name in names:
                one = run(name)
                if round_:
                    spent[name].append(one)
        return spent

    # What is measured

    def fresh(self, count: int, most: Mapping[str, float]) -> list[Line]:
        """A fresh database, all migrations. `most`: what the wall time may be, by peer."""

        def run(name: str) -> Spent:
            with self.database() as database:
                return self.program(name, count, database).run()

        spent = self.turns(("seedbed", *self.tools), run)
        title = f"fresh database, {count} migrations"
        return [
            line
            for peer in self.tools
            for line in (
                compared(title, "s", walls(spent["seedbed"]), peer, walls(spent[peer]), most.get(peer)),
                compared(title, "s CPU", cpus(spent["seedbed"]), peer, cpus(spent[peer]), None),
            )
        ]

    def without_work(self, verb: str, count: int, most: float | None) -> list[Line]:
        """A database that has everything. `most`: times the floor that our CPU may be."""
        with ExitStack() as stack:
            programs = {"floor": self.floor}
            for name in ("seedbed", *(tool for tool in self.tools if tool != "psql")):
                database = stack.enter_context(self.database())
                self.program(name, count, database).run()
                programs[name] = self.program(name, count, database, verb)
            spent = self.turns(tuple(programs), lambda name: programs[name].run(), least=SHORT)
        title = f"{'nothing to do' if verb == 'apply' else verb}, {count} migrations"
        ours = spent.pop("seedbed")
        lines = [compared(title, "s CPU", cpus(ours), "floor", cpus(spent.pop("floor")), most)]
        for name, theirs in spent.items():
            lines.append(compared(title, "s", walls(ours), name, walls(theirs), None))
            lines.append(compared(title, "s CPU", cpus(ours), name, cpus(theirs), None))
        return lines

    def files(self, verb: str) -> list[Line]:
        """CPU of a thousand files more, between each two sizes of a history that is complete."""
        with ExitStack() as stack:
            programs = {}
            for count in FILES:
                root = self.root / f"files-{count}"
                if not root.exists():
                    root.mkdir()
                    files = ProjectFiles(root)
                    for number in range(count):
                        files.migration(f"20260101{number:06d}_n{number}", f"SELECT {number};")
                env = variables(self.server, stack.enter_context(self.database()))
                Program("seedbed", [self.seedbed, "-q", "apply", "-e", ENVIRONMENT], root, env).run()
                programs[str(count)] = Program("seedbed", [self.seedbed, verb, "-e", ENVIRONMENT], root, env)
            spent = self.turns(tuple(programs), lambda name: programs[name].run())
        least, middle, most = (cpus(spent[str(count)]) for count in FILES)
        first = [(b - a) * 1000 / (FILES[1] - FILES[0]) for a, b in zip(least, middle, strict=True)]
        second = [(b - a) * 1000 / (FILES[2] - FILES[1]) for a, b in zip(middle, most, strict=True)]
        title = f"{verb}, 1 000 files more"
        bound = [0.05] * len(second)
        return [
            compared(f"{title}, at {FILES[2]}", "s CPU", second, f"at {FILES[1]}", first, 1.2),
            compared(f"{title}, at {FILES[1]}", "s CPU", first, "the bound", bound, 1.0),
            compared(f"{title}, at {FILES[2]}", "s CPU", second, "the bound", bound, 1.0),
        ]

    def round_trips(self, count: int) -> list[Line]:
        """What goes over the wire, login and history included."""
        with self.database() as database, counted(self.server.socket_directory, self.server.port) as wire:
            program = self.program("seedbed", count, database)
            env = {**program.env, "DB_HOST": str(wire.directory)}
            Program(program.name, program.arguments, program.cwd, env).run()
            trips = float(wire.round_trips)
        return [compared("round trips", "trips", [trips], f"{count} migrations", [float(count)], 0.2)]

    def databases(self) -> list[Line]:
        """Databases that have everything, in one command: what each more of them costs."""
        with ExitStack() as stack:
            programs = {str(size): stack.enter_context(self.project(size)) for size in DATABASES}
            spent = self.turns(tuple(programs), lambda name: programs[name].run())
        one, lines = spent[str(DATABASES[0])], []
        for size in DATABASES[1:]:
            many, title = spent[str(size)], f"status, {size} databases"
            lines.append(compared(title, "s CPU", cpus(many), "one database", cpus(one), None))
            bound = 2.5 if size == DATABASES[-1] else None
            wanted = [bound or 1.0] * len(many)
            lines.append(compared(title, "s", walls(many), "the bound", wanted, 1.0 if bound else None))
        return lines

    @contextmanager
    def project(self, size: int) -> Iterator[Program]:
        """Yield a status of a project of `size` services with a database each, all of them up to date."""
        services = [f"service{number:03d}" for number in range(size)]
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
            Program("seedbed", [self.seedbed, "-q", "apply", "-e", ENVIRONMENT], root, env).run()
            yield Program("seedbed", [self.seedbed, "status", "-e", ENVIRONMENT], root, env)
        finally:
            for name in names:
                self.server.drop_database(name)

    def help(self) -> list[Line]:
        """CPU of a page of help, beside that of importing click."""
        programs = {
            "seedbed": Program("seedbed", [self.seedbed, "--help"], self.root),
            "click": Program("click", [str(self.python), "-c", "import click"], self.root),
        }
        spent = self.turns(tuple(programs), lambda name: programs[name].run(), least=SHORT)
        ours, click = (cpus(spent[name]) for name in ("seedbed", "click"))
        return [compared("seedbed --help", "s CPU", ours, "import click", click, 1.5)]

    def measures(self) -> dict[str, Callable[[], list[Line]]]:
        return {
            "fresh-200": lambda: self.fresh(200, {"goose": 1.05}),
            "fresh-1000": lambda: self.fresh(1000, {"psql": 1.0}),
            "round-trips": lambda: [*self.round_trips(200), *self.round_trips(1000)],
            "noop-200": lambda: self.without_work("apply", 200, 2.2),
            "status-200": lambda: self.without_work("status", 200, 2.2),
            "noop-1000": lambda: self.without_work("apply", 1000, None),
            "files": lambda: [*self.files("apply"), *self.files("status")],
            "databases": self.databases,
            "help": self.help,
        }


NAMES = (
    "fresh-200",
    "fresh-1000",
    "round-trips",
    "noop-200",
    "status-200",
    "noop-1000",
    "files",
    "databases",
    "help",
)


def walls(spent: Sequence[Spent]) -> list[float]:
    return [one.wall for one in spent]


def cpus(spent: Sequence[Spent]) -> list[float]:
    return [one.cpu for one in spent]


def facts_of(bench: Bench) -> dict[str, Any]:
    server = bench.server
    with psycopg.connect(**server.dsn("postgres")) as connection:  # type: ignore[arg-type]
        settings = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in SETTINGS}
    postgresql = {"version": server.version, **{name: row[0] for name, row in settings.items() if row}}
    asking = {"psql": "--version", "goose": "--version", "dbmate": "--version", "tern": "version"}
    tools = {
        name: peers.version(bench.tools[name], word) for name, word in asking.items() if name in bench.tools
    }
    return machine(
        "psycopg",
        "alembic",
        "SQLAlchemy",
        "click",
        "msgspec",
        postgresql=postgresql,
        peers=tools,
        missing=bench.missing,
        rounds=bench.rounds,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.apply", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each peer has its turn")
    parser.add_argument("--only", choices=NAMES, action="append", help="measure only this; may be repeated")
    asked = parser.parse_args(arguments)
    root = Path(tempfile.mkdtemp(prefix="seedbed-bench-"))
    root.chmod(0o755)
    try:
        with embedded(root) as server:
            bench = Bench(server, root / "work", asked.rounds)
            for name, because in bench.missing.items():
                print(f"{name} cannot be had here: {because}", flush=True)
            facts = facts_of(bench)
            print(json.dumps(facts), flush=True)
            lines = measured(bench, asked.only or NAMES)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    if not asked.only:
        keep("apply", {**facts, "load_after": os.getloadavg()[0]}, lines)
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
