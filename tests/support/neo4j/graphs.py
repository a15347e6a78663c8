"""A Neo4j target for tests: its session and lease as a run has them, and a look past both."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import msgspec
import neo4j

from seedbed.engines.neo4j import engine
from seedbed.engines.neo4j.options import Options
from seedbed.engines.neo4j.session import Neo4jSession
from seedbed.engines.neo4j.store.lease import Neo4jLease
from seedbed.model.environment import Environment
from seedbed.model.event import Event
from seedbed.model.history import Owner
from seedbed.model.migration import Direction, Migration, MigrationFile, Source, Work, checksum
from seedbed.model.platform import Database
from seedbed.model.seed import Dataset, Loaded, RowSource, Script, SeedKind
from seedbed.model.target import Target
from seedbed.seeding.dataset import dataset
from tests.support.seeds import seed_file
from tests.support.servers import Settings

PLATFORM = "edtech"

# The server gives up the statements that it collected. It takes it milliseconds to tell one of them, and a test's own
# are few beside those of all tests before it.
FORGET = tuple(f"CALL db.stats.{each}('QUERIES')" for each in ("stop", "clear", "collect"))


@dataclass(frozen=True, slots=True)
class Graph:
    """A database of its own, and what a test does with it."""

    settings: Settings
    options: Options
    directory: PurePath

    @contextmanager
    def session(self) -> Iterator[Neo4jSession]:
        address = engine.address(self.settings, self.options)
        database = Database("tutor-matching", "neo4j", self.directory, self.options)
        target = Target(database, Environment("dev-test", ephemeral=True), PLATFORM, address)
        with engine.connect(target) as session:
            assert isinstance(session, Neo4jSession)
            yield session

    @contextmanager
    def lease(self, *, wait: float = 20.0, told: list[Event] | None = None) -> Iterator[Neo4jLease]:
        heard: list[Event] = [] if told is None else told
        owner = Owner(uuid.uuid4().hex, "test")
        with self.session() as session, session.lease(owner, wait=wait, listener=heard.append) as lease:
            yield lease

    def load(self, *parts: RowSource | Script, kind: SeedKind = SeedKind.FIXTURE) -> list[Loaded]:
        with self.lease() as lease:
            load = lease.bulk_load if kind is SeedKind.VOLUME else lease.load
            return list(load(Dataset(kind, parts)))

    def counts(
        self, *parts: RowSource | Script, kind: SeedKind = SeedKind.FIXTURE
    ) -> list[tuple[int, int, int]]:
        """Load, and return (inserted, updated, unchanged) of each part."""
        return [(each.inserted, each.updated, each.unchanged) for each in self.load(*parts, kind=kind)]

    def apply(self, text: str, version: str = "1", direction: Direction = Direction.UP) -> list[Event]:
        with self.lease() as lease:
            return list(lease.apply([Work(migration(text, version), direction)]))

    def ask(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """Carry out a statement past seedbed, as an application does."""
        with (
            neo4j.GraphDatabase.driver(self.settings["uri"], auth=None) as driver,
            driver.session() as session,
        ):
            return session.run(statement, parameters).data()

    def do(self, *statements: str) -> None:
        for each in statements:
            self.ask(each)


def graph(settings: Settings, directory: PurePath | None = None, **options: Any) -> Graph:
    return Graph(settings, msgspec.convert(options, Options), directory or Path("tutor-matching/neo4j"))


def migration(text: str, version: str = "1") -> Migration:
    data = text.encode()
    path = f"migrations/{version}_test.cypher"
    return engine.parse(MigrationFile(version, "test", Source(path, ".cypher", data), checksum(data)))


def parts(files: Mapping[str, str], kind: SeedKind = SeedKind.FIXTURE) -> Sequence[RowSource | Script]:
    """Return the parts of a dataset whose files have these names and texts."""
    found = [seed_file(f"seeds/{name}", text) for name, text in files.items()]
    return dataset(kind, found, platform=PLATFORM, scripts={".cypher"}).parts
