"""What an environment has on a server that it shares with others."""

from __future__ import annotations

from msgspec import Struct


class Share(Struct, frozen=True, order=True):
    """What `environment` has on the server of its base for one of its databases: `database` is its id."""

    platform: str
    environment: str
    database: str

    def __str__(self) -> str:
        return f"{self.database} of {self.environment}"

    @property
    def service(self) -> str:
        return self.database.partition("/")[0]
