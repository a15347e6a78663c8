"""A target: a database in an environment."""

from __future__ import annotations

from msgspec import Struct

from seedbed.model.environment import Environment
from seedbed.model.platform import Database


class Target(Struct, frozen=True):
    """A database in an environment; `address` is the engine's own and holds the credentials."""

    database: Database
    environment: Environment
    platform: str
    address: object

    @property
    def id(self) -> str:
        return str(self.database.id)
