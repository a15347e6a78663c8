"""Neo4j for the sandbox: a server for each database, for Community has one database a server.

Below the sandbox's home, for the database `tutor-matching/neo4j`::

    tutor-matching.neo4j/data     what it holds, transaction logs included: it stays from command to command
    tutor-matching.neo4j/conf     its configuration, written anew at each start
    tutor-matching.neo4j/port     "PORT": where it listened last, and will again if the port is free
    tutor-matching.neo4j/log      since the last start; log.old before that
    tutor-matching.neo4j/*.lock   who owns it: see `seedbed.servers`

The jars come from Maven Central at first use: see `seedbed.servers.jars`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seedbed.engines.neo4j.sandbox.local import JAVA, NAME, lock, server
from seedbed.servers import jars, java, ports, server_pool
from seedbed.servers.server_pool import ServerPool

if TYPE_CHECKING:
    from seedbed.engines.neo4j.sandbox.lending import KeptGraph
    from seedbed.model.target import Target


class Graphs:
    """The Neo4j servers of a sandbox that this owner needs, started as they are asked for."""

    def __init__(self, servers: ServerPool, prefix: str = "") -> None:
        self._servers = servers
        self._prefix = prefix

    def settings(self, database: str) -> Mapping[str, str]:
        """Return the settings of the server that is `database`'s alone, started if it does not run yet."""
        owned = self._servers.ensure_running(self._prefix + database)
        return {"uri": f"bolt://127.0.0.1:{ports.last_port(owned)}", "database": "neo4j"}

    def apart(self, slot: int) -> Graphs:
        """Return servers of their own for the tests of `slot`: Community has one database a server."""
        return Graphs(self._servers, f"tests-{slot}-")

    def keep(self, target: Target) -> KeptGraph:
        """Return the nodes and relationships that `target` holds now."""
        from seedbed.engines.neo4j.sandbox.lending import KeptGraph

        return KeptGraph(target, self.settings(target.id))

    def directory(self, database: str) -> Path:
        """Return the directory of the server of `database`."""
        return self._servers.ensure_running(self._prefix + database)


@contextmanager
def embedded(home: Path) -> Iterator[Graphs]:
    """Own the Neo4j servers of the sandbox `home` that `settings` is asked for. Raises SandboxError."""
    with ServerPool(home, server) as servers:
        yield Graphs(servers)


def diagnose(home: Path) -> Sequence[tuple[str, str]]:
    """Return what `doctor` shows: (what, what about it); fetches nothing."""
    return [
        ("Neo4j", lock().title),
        ("Java", java.describe(JAVA)),
        ("jars", jars.describe(lock(), jars.cache(), NAME)),
        *server_pool.diagnose(home, NAME),
    ]
