"""One connection to a memory server: ask, and be answered."""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any

from seedbed.errors import Unreachable
from seedbed.testing.reference.address import Address

CONNECT_TIMEOUT = 5.0  # seconds


class Dropped(Exception):
    """The connection is gone; what was asked last may or may not have happened."""


class Rejected(Exception):
    """The server said no; `code` is for us, `what` for people, `op` counts the operations before it."""

    def __init__(self, code: str, what: str, op: int) -> None:
        super().__init__(what)
        self.code, self.what, self.op = code, what, op


class Connection:
    """A connection on one database; used by one thread at a time."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(CONNECT_TIMEOUT)
            self._socket.connect(address.socket)
            self._socket.settimeout(None)
        except OSError as error:
            self._socket.close()
            raise Unreachable(
                f"there is no answer from {address}",
                because=error.strerror or str(error),
                try_="start the server, or correct MEMORY_SOCKET",
            ) from error
        self._answers = self._socket.makefile("rb")

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Return the server's answer. Raises Dropped, Rejected."""
        line = json.dumps({"do": do, "database": self.address.database, **request})
        try:
            self._socket.sendall(line.encode() + b"\n")
            answer = self._answers.readline()
        except (OSError, ValueError) as error:  # ValueError: the file is closed
            raise Dropped from error
        except BaseException:
            self.close()  # the answer is still to come and would be taken for that of the next question
            raise
        if not answer.endswith(b"\n"):
            raise Dropped
        found: dict[str, Any] = json.loads(answer)
        if "error" in found:
            raise Rejected(found["error"], found["what"], found.get("op", 0))
        return found

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
