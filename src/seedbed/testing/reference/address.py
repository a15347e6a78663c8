"""Connection settings of a memory target -> which server and which database in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from seedbed.engines.base import Variable
from seedbed.errors import UsageError
from seedbed.model.secret import Secret

VARIABLES = (
    Variable("MEMORY_SOCKET", "socket", required=True, help="path of the server's unix socket"),
    Variable("MEMORY_DATABASE", "database", help="its name in that server; `main` where it is not said"),
)
_SETTINGS = tuple(each.setting for each in VARIABLES)


class Address(Struct, frozen=True):
    """A database in a running server."""

    socket: str
    database: str = "main"

    def __str__(self) -> str:
        return f"{self.database} at {self.socket}"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return ()


def address(settings: Mapping[str, str | Secret], options: object) -> Address:
    """Return the address that `settings` describe. Raises UsageError naming what is missing or wrong."""
    del options  # none of them says where
    plain = {key: value.reveal() if isinstance(value, Secret) else value for key, value in settings.items()}
    unknown = sorted(set(plain) - set(_SETTINGS))
    if unknown:
        raise UsageError(
            f"{unknown[0]!r} says nothing about a memory target",
            because=f"it accepts {', '.join(_SETTINGS)}",
            try_="correct the key in the environment's targets table",
        )
    if not plain.get("socket"):
        raise UsageError(
            "a memory target needs its server's socket",
            because="neither MEMORY_SOCKET nor the setting `socket` is given",
            try_="use the sandbox, which starts a server, or set MEMORY_SOCKET",
        )
    return Address(plain["socket"], plain.get("database") or "main")
