"""OpenSearch for the sandbox: a cluster of one node for each database, for indexes and aliases carry no prefix.

Below the sandbox's home, for the database `ai/opensearch`::

    ai.opensearch/data     what it holds: it stays from command to command
    ai.opensearch/snap     where it may keep snapshots
    ai.opensearch/conf     its configuration, written anew at each start
    ai.opensearch/port     "PORT": where it listened last, and will again if the port is free
    ai.opensearch/log      since the last start; log.old before that
    ai.opensearch/*.lock   who owns it: see `seedbed.servers`

The archives come from Maven Central at first use: see `seedbed.servers.archives`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seedbed.engines.opensearch.sandbox.local import JAVA, NAME, server
from seedbed.engines.opensearch.sandbox.software import folder, lock
from seedbed.servers import java, ports, server_pool
from seedbed.servers.server_pool import ServerPool

if TYPE_CHECKING:
    from seedbed.engines.opensearch.sandbox.lending import KeptIndexes
    from seedbed.model.target import Target

MB = 1_000_000


class Clusters:
    """The OpenSearch clusters of a sandbox that this owner needs, started as they are asked for."""

    def __init__(self, servers: ServerPool, prefix: str = "") -> None:
        self._servers = servers
        self._prefix = prefix

    def settings(self, database: str) -> Mapping[str, str]:
        """Return the settings of the cluster that is `database`'s alone, started if it does not run yet."""
        owned = self._servers.ensure_running(self._prefix + database)
        return {"endpoint": f"http://127.0.0.1:{ports.last_port(owned)}", "auth": "none"}

    def apart(self, slot: int) -> Clusters:
        """Return clusters of their own for the tests of `slot`: names of indexes and aliases carry no prefix."""
        return Clusters(self._servers, f"tests-{slot}-")

    def keep(self, target: Target) -> KeptIndexes:
        """Return the documents that `target` holds now."""
        from seedbed.engines.opensearch.sandbox.lending import KeptIndexes

        return KeptIndexes(target, self.settings(target.id))

    def directory(self, database: str) -> Path:
        """Return the directory of the cluster of `database`."""
        return self._servers.ensure_running(self._prefix + database)


@contextmanager
def embedded(home: Path) -> Iterator[Clusters]:
    """Own the OpenSearch clusters of the sandbox `home` that `settings` is asked for. Raises SandboxError."""
    with ServerPool(home, server) as servers:
        yield Clusters(servers)


def diagnose(home: Path) -> Sequence[tuple[str, str]]:
    """Return what `doctor` shows: (what, what about it); fetches nothing."""
    where = folder()
    return [
        ("OpenSearch", lock().title),
        ("Java", java.describe(JAVA)),
        ("software", str(where) if where.is_dir() else f"{where}, {lock().size / MB:.0f} MB to be fetched"),
        *server_pool.diagnose(home, NAME),
    ]
