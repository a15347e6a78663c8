"""A session on a Neo4j target: reading, and taking the lease."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, cast

from seedbed.engines.base import Progress
from seedbed.engines.neo4j.address import Address
from seedbed.engines.neo4j.graph import GraphTarget
from seedbed.engines.neo4j.store import history
from seedbed.engines.neo4j.wire.client import BoltClient
from seedbed.engines.neo4j.wire.errors import translate_errors
from seedbed.model.hazard import Hazard
from seedbed.model.history import History, Owner
from seedbed.model.ids import Extent, Ids
from seedbed.model.migration import Migration
from seedbed.model.platform import ALL, Where
from seedbed.model.verification import Holders, QueryRow, Suspect

if TYPE_CHECKING:
    from seedbed.engines.neo4j.store.lease import Neo4jLease
    from seedbed.model.event import Listener
    from seedbed.model.migration import Work
    from seedbed.model.plan import Loss
    from seedbed.model.target import Target
    from seedbed.model.usage import Removed, Usage
    from seedbed.model.verified import Verified, VerifyRecord


@contextmanager
def connect(target: Target) -> Iterator[Neo4jSession]:
    """Open a session on `target`. Raises Unreachable; Refused for a login or a database that is not there."""
    address = cast(Address, target.address)
    with closing(BoltClient(address)) as client:
        client.open()
        graph = GraphTarget(
            target=target.id,
            address=address,
            client=client,
            environment=target.environment.name,
            directory=target.database.directory,
        )
        yield Neo4jSession(graph)


class Neo4jSession:
    """A few connections, each opened when it is needed; a lease keeps itself alive over one of its own."""

    def __init__(self, graph: GraphTarget) -> None:
        self.graph = graph

    @property
    def server(self) -> str:
        return f"Neo4j {self.graph.client.version} {self.graph.client.edition.capitalize()}"

    def history(self) -> History:
        with translate_errors(f"reading the history of {self.graph.target}"):
            return history.read(self.graph)

    def holder(self) -> str:
        from seedbed.engines.neo4j.store import lease_store

        return lease_store.holder(self.graph)

    def interrupt(self) -> None:
        """End what is running on the server: its transaction rolls back. What comes next does not begin."""
        self.graph.client.interrupt()

    def abandon(self) -> None:
        """Close every connection: whoever waits for an answer gets none."""
        self.graph.client.abandon()

    def lease(self, owner: Owner, *, wait: float, listener: Listener) -> AbstractContextManager[Neo4jLease]:
        return self._lease(owner, wait, listener)

    @contextmanager
    def _lease(self, owner: Owner, wait: float, listener: Listener) -> Iterator[Neo4jLease]:
        from seedbed.engines.neo4j.store import lease_store
        from seedbed.engines.neo4j.store.lease import Neo4jLease

        self.history()  # a format that is not ours is refused before anything is touched
        with lease_store.lease(self.graph, owner, wait=wait, listener=listener) as held:
            yield Neo4jLease(self.graph, held, listener)

    def unlock(self, *, actor: str) -> str:
        """End the present lease and its transactions, with an entry in the audit; return the former holder."""
        from seedbed.engines.neo4j.store import lease_store

        return lease_store.unlock(self.graph, actor=actor)

    def schema(self) -> Sequence[str]:
        """Return constraints and indexes, one line each, sorted; seedbed's own left out."""
        from seedbed.engines.neo4j.schema.catalogue import read_catalogue

        with translate_errors(f"reading the schema of {self.graph.target}"):
            return read_catalogue(self.graph.read).lines()

    def examine(self, migrations: Sequence[Migration]) -> Mapping[str, Sequence[Hazard]]:
        """Return, by version, the hazards that the server's own plans of the statements show."""
        from seedbed.engines.neo4j.running.examine import examine

        with translate_errors(f"examining the migrations of {self.graph.target}"):
            return examine(self.graph.client, migrations)

    def ids(self, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
        from seedbed.engines.neo4j.running import ids

        return ids.ids(self.graph, path, where)

    def extent(self, path: str, where: Where = ALL) -> Extent:
        from seedbed.engines.neo4j.running.ids import extent

        return extent(self.graph, path, where)

    def found(self, path: str, ids: Sequence[str]) -> Collection[str]:
        from seedbed.engines.neo4j.running.ids import found

        return found(self.graph, path, ids)

    def holders(
        self, path: str, suspects: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
    ) -> Mapping[str, Holders]:
        from seedbed.engines.neo4j.running.ids import holders

        return holders(self.graph, path, suspects, time=time, most=most, where=where)

    def rows(self, query: str, most: int) -> Sequence[QueryRow]:
        from seedbed.engines.neo4j.running.queries import rows

        return rows(self.graph, query, most)

    def number(self, query: str) -> Decimal:
        from seedbed.engines.neo4j.running.queries import number

        return number(self.graph, query)

    def verified(self) -> Verified:
        from seedbed.engines.neo4j.store import verified

        with translate_errors(f"reading what verify found of {self.graph.target}"):
            return verified.read(self.graph)

    def keep(self, record: VerifyRecord, forget: Collection[str]) -> None:
        from seedbed.engines.neo4j.store import verified

        with translate_errors(f"keeping what verify found of {self.graph.target}"):
            verified.keep(self.graph, record, forget)

    def usage(self, removed: Sequence[Removed]) -> Usage:
        from seedbed.engines.neo4j.running.usage import usage

        with translate_errors(f"reading what {self.graph.target} counts"):
            return usage(self.graph, removed)

    def losses(self, works: Sequence[Work]) -> Sequence[Loss]:
        """Return about how many nodes and relationships `works` would remove."""
        from seedbed.engines.neo4j.running.losses import losses

        with translate_errors(f"counting what a revert of {self.graph.target} would remove"):
            return losses(self.graph.client, works)

    def dump(self, file: Path) -> Iterator[Progress]:
        """Write the graph to `file`. Raises Refused for more than a dump is for."""
        from seedbed.engines.neo4j.dump_restore.dump import dump

        with translate_errors(f"dumping {self.graph.target}"):
            yield from dump(self.graph, file)
