"""One target, as everything that works on it needs it."""

from __future__ import annotations

from pathlib import PurePath

from msgspec import Struct

from seedbed.engines.neo4j.address import Address
from seedbed.engines.neo4j.wire.client import BoltClient, Run


class GraphTarget(Struct, frozen=True):
    """One database of one service in one environment; `target` is its id, `directory` holds its files."""

    target: str
    address: Address
    client: BoltClient
    environment: str
    directory: PurePath

    @property
    def run(self) -> Run:
        """Ask a reading statement; the driver's errors come as CypherError and ConnectionLost."""
        return self.client.run
