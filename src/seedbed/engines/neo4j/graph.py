"""One target, as everything that works on it needs it."""

from __future__ import annotations

from pathlib import PurePath

from msgspec import Struct

from seedbed.engines.neo4j.address import Address
from seedbed.engines.neo4j.schema.catalogue import Read
from seedbed.engines.neo4j.wire.client import BoltClient


class GraphTarget(Struct, frozen=True):
    """One database of one service in one environment; `target` is its id, `directory` holds its files."""

    target: str
    address: Address
    client: BoltClient
    environment: str
    directory: PurePath

    @property
    def read(self) -> Read:
        """Runs a reading statement and returns its rows. Raises CypherError, ConnectionLost."""
        return self.client.read
