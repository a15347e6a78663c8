"""What an environment has on a server that it shares with others."""

from __future__ import annotations

from msgspec import Struct

from seedbed.errors import SeedbedError


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


class SharePart(Struct, frozen=True):
    """A database on a shared server, by its id; `template`: what it begins as a copy of, or is kept as."""

    database: str
    template: str = ""

    @property
    def engine(self) -> str:
        return self.database.partition("/")[2]

    def __str__(self) -> str:
        return f"{self.database}@{self.template}" if self.template else self.database


class ShareOutcome(Struct, frozen=True):
    """What was done for a share, as text; "": nothing was lacking, or nothing was there. Or why it was not."""

    share: Share
    what: str = ""
    error: SeedbedError | None = None
