"""One session's way to its server, for whoever asks through it: the session itself, and its lease."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from seedbed.errors import Unavailable, Unreachable
from seedbed.testing.reference.client import Connection, Dropped, Rejected


class Channel:
    """A connection on `target`, and whether it was asked to stop."""

    def __init__(self, target: str, connection: Connection) -> None:
        self.target = target
        self.is_interrupted = False
        self._connection = connection
        self._number: int = self.ask("hello")["session"]

    @property
    def place(self) -> str:
        """The server, and the database in it."""
        return str(self._connection.address)

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Return the server's answer. Raises Unreachable, Rejected."""
        try:
            return self._connection.ask(do, **request)
        except Dropped as error:
            raise Unreachable(
                f"the connection to {self.target} is gone",
                because="the server ended it, or ended itself",
                try_="see whether the server runs, and try again",
            ) from error

    def interrupt(self) -> None:
        """Stop what is running over a connection of its own; what would come next does not begin."""
        self.is_interrupted = True
        with suppress(Unavailable, Dropped, Rejected), Connection(self._connection.address) as other:
            other.ask("interrupt", victim=self._number)
