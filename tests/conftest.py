"""Fixtures that all tests share: a real PostgreSQL for the session, fresh databases on it, throw-away projects."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seedbed.engines.postgres.embedded import EmbeddedServer, embedded
from tests.projects import ProjectFiles

pytest_plugins = ["tests.plugins.no_silent_skips"]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[EmbeddedServer]:
    """A PostgreSQL that all workers of this run share; SEEDBED_PG_BIN chooses which.

    It lives among the run's temporary directories, which pytest itself removes some runs later: a worker that is
    done must not take it away from the others.
    """
    base = tmp_path_factory.getbasetemp()
    home = (base if worker_id == "master" else base.parent) / "pg"
    with embedded(home) as server:
        yield server


@pytest.fixture
def new_database(postgres_server: EmbeddedServer) -> Iterator[Callable[[], str]]:
    """A function that makes an empty database and returns its name; they are dropped after the test."""
    made: list[str] = []

    def make() -> str:
        name = f"t_{uuid.uuid4().hex[:16]}"
        postgres_server.ensure_database(name)
        made.append(name)
        return name

    yield make
    for name in made:
        postgres_server.drop_database(name)


@pytest.fixture
def postgres_database(postgres_server: EmbeddedServer, new_database: Callable[[], str]) -> str:
    """The conninfo of an empty database."""
    facts = postgres_server.dsn(new_database())
    return " ".join(f"{key}={value}" for key, value in facts.items())


@pytest.fixture
def files(tmp_path: Path) -> ProjectFiles:
    """An empty project of one service `user` with one PostgreSQL database."""
    return ProjectFiles(tmp_path)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose path is short enough for the sandbox's socket, and that the sandbox's user may pass."""
    with tempfile.TemporaryDirectory(prefix="seedbed-t-", dir="/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path)
