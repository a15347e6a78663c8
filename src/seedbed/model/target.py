"""A target: a database in an environment."""

from __future__ import annotations

from msgspec import Struct

from seedbed.errors import SeedbedError
from seedbed.model.environment import Environment
from seedbed.model.platform import Database
from seedbed.model.secret import Secret


class NoAddress(Struct, frozen=True):
    """In an address's place where a secret that has it was never filled in: `error` is what connecting raises."""

    error: SeedbedError
    secrets: tuple[Secret, ...] = ()

    def __str__(self) -> str:
        return "no address yet"


class Target(Struct, frozen=True):
    """A database in an environment; `address` is the engine's own and holds the credentials."""

    database: Database
    environment: Environment
    platform: str
    address: object

    @property
    def id(self) -> str:
        return str(self.database.id)
