"""One target, as everything that works on it needs it."""

from __future__ import annotations

from pathlib import PurePath

from msgspec import Struct

from seedbed.engines.neo4j.address import Address
from seedbed.engines.neo4j.wire.connection import Run, Server


class Place(Struct, frozen=True):
    """One database of one service in one environment; `target` is its id, `directory` holds its files."""

    target: str
    address: Address
    server: Server
    environment: str
    directory: PurePath

    @property
    def run(self) -> Run:
        """Ask a reading statement; the driver's errors come as ServerError and Gone."""
        return self.server.run
