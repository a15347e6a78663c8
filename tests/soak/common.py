"""What the soaks share: a server of their own, fresh databases, `seedbed` as child processes, what to compare."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import psycopg

from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded
from seedbed.engines.postgres.schema.inspect import schema
from seedbed.engines.postgres.wire.driver import rows_of_all
from tests.support.forked import Forked
from tests.support.postgres.databases import empty_database
from tests.support.projects import ProjectFiles, Ran, clean_environment, command, variables

HISTORY_SCHEMA = "seedbed"
PATIENCE = 180.0  # seconds for one command on a loaded machine

Connection = psycopg.Connection[tuple[Any, ...]]


def amount(name: str, default: int) -> int:
    """Return how many of something a soak does: the environment variable `name`, or `default`."""
    return int(os.environ.get(name) or default)


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def own_server() -> Iterator[EmbeddedServer]:
    """Run a PostgreSQL for one soak, and leave nothing of it behind."""
    home = Path(tempfile.mkdtemp(prefix="seedbed-soak-"))
    home.chmod(0o755)  # the server may run as another user
    try:
        with embedded(home) as server:
            yield server
        wait_for(lambda: not _is_alive(server.pid), "the server to end", seconds=30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait_for(condition: Any, what: str, *, seconds: float = 30.0, every: float = 0.01) -> None:
    """Return once `condition()` is true. Raises TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(every)


class Child:
    """A command under way; its output goes to a file, so that nobody has to read it meanwhile."""

    def __init__(self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  closed by __exit__
        self.began = time.monotonic()
        self.process = Forked(
            arguments,
            cwd=cwd,
            env=clean_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._output.close()

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> bool:
        """Send SIGKILL and return whether that is what ended it."""
        self.process.kill()
        return self.process.wait() == -9

    def wait(self) -> Ran:
        code = self.process.wait(PATIENCE)
        return Ran(code, self.output(), "")

    def output(self) -> str:
        """Return what it has said so far."""
        self._output.seek(0)
        return self._output.read()


@dataclass(frozen=True, slots=True)
class Site:
    """A project, the databases of its services by service, and the environment that both are used in."""

    server: EmbeddedServer
    root: Path
    databases: Mapping[str, str]
    environment: str

    @property
    def variables(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for service, database in self.databases.items():
            found |= variables(self.server, database, f"{service.upper()}_")
        return found

    def start(self, *arguments: str) -> Child:
        """Start `seedbed` with its environment named."""
        verb, *rest = arguments
        return Child(command(verb, "-e", self.environment, *rest), self.root, self.variables)

    def run(self, *arguments: str) -> Ran:
        with self.start(*arguments) as child:
            return child.wait()

    @contextmanager
    def connected(self, service: str = "user") -> Iterator[Connection]:
        """Yield an autocommitting connection of our own to a service's database."""
        with psycopg.connect(**self.server.dsn(self.databases[service]), autocommit=True) as connection:  # type: ignore[arg-type]
            yield connection

    def rows(self, query: str, service: str = "user") -> list[tuple[Any, ...]]:
        with self.connected(service) as connection:
            return connection.execute(query.encode()).fetchall()

    def value(self, query: str, service: str = "user") -> Any:
        return self.rows(query, service)[0][0]


@contextmanager
def site(server: EmbeddedServer, environment: str) -> Iterator[tuple[Site, ProjectFiles]]:
    """Yield an empty project of one service `user`, on an empty database."""
    with tempfile.TemporaryDirectory(prefix="seedbed-soak-") as root, empty_database(server) as database:
        files = ProjectFiles(Path(root))
        yield Site(server, files.root, {"user": database}, environment), files


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What two databases have to have in common: schema, and history as (version, checksum, state)."""

    schema: tuple[str, ...]
    history: tuple[tuple[str, str, str], ...]

    def differences(self, other: Snapshot) -> list[str]:
        """Return what only one of the two has, in words."""
        ours, theirs = {*self.schema, *map(str, self.history)}, {*other.schema, *map(str, other.history)}
        missing = [f"missing: {each}" for each in sorted(theirs - ours)]
        return missing + [f"too much: {each}" for each in sorted(ours - theirs)]


def snapshot(place: Site) -> Snapshot:
    with place.connected() as connection:
        lines = tuple(schema(partial(rows_of_all, connection), exclude_schemas={HISTORY_SCHEMA}))
        rows = connection.execute(
            "SELECT version, checksum, state FROM seedbed.migrations_history ORDER BY version"
        ).fetchall()
    return Snapshot(lines, tuple((str(a), str(b), str(c)) for a, b, c in rows))


@dataclass(slots=True)
class Tally:
    """How a soak went: a line for each round, problems by round, and a summary."""

    what: str
    seconds: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, label: str, seconds: float, problems: Sequence[str], detail: str = "") -> None:
        self.seconds.append(seconds)
        self.problems += [f"{label}: {each}" for each in problems]
        say(f"{label}  {'FAILED' if problems else 'ok'}  {seconds:.2f} s{'  ' if detail else ''}{detail}")
        for each in problems:
            say(f"    {each}")

    def close(self, detail: str = "") -> int:
        """Print the summary and return the exit code."""
        ordered = sorted(self.seconds) or [0.0]
        say(
            f"{len(self.seconds)} {self.what}, {len(self.problems)} problems; "
            f"{sum(ordered):.0f} s in all, median {ordered[len(ordered) // 2]:.2f} s, longest {ordered[-1]:.2f} s"
            f"{'; ' if detail else ''}{detail}"
        )
        return 1 if self.problems else 0
