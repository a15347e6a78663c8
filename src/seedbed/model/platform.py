"""A platform, its services, their databases: what the manifest declares."""

from __future__ import annotations

from pathlib import PurePath
from typing import NewType

from msgspec import Struct

from seedbed.model.environment import EnvironmentPattern

DatabaseId = NewType("DatabaseId", str)  # "user/postgres"


class Database(Struct, frozen=True):
    """One engine of one service; `directory` holds its `migrations/` and `seeds/`."""

    service: str
    engine: str
    directory: PurePath
    options: object = None  # the engine's own section of the manifest, validated by its type

    @property
    def id(self) -> DatabaseId:
        return DatabaseId(f"{self.service}/{self.engine}")


class Reference(Struct, frozen=True):
    """An id that crosses a service border: `from_` and `to` read `service/engine:table.column`."""

    from_: str
    to: str


class Platform(Struct, frozen=True):
    """Everything the manifest says, in the model's own words."""

    name: str
    root: PurePath
    databases: tuple[Database, ...]
    references: tuple[Reference, ...] = ()
    environments: tuple[EnvironmentPattern, ...] = ()

    def database(self, database_id: str) -> Database | None:
        return next((each for each in self.databases if each.id == database_id), None)
