"""The servers of an engine that has one for each database: started when first asked for, owned together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from seedbed.servers import room, server
from seedbed.servers.server import Server

Describe = Callable[[Path], Server]  # the server that lives in this room, which exists


class Fleet:
    """Owns a server for each database that it was asked for, until it is left; any thread may ask."""

    def __init__(self, home: Path, describe: Describe) -> None:
        self._home = home
        self._describe = describe
        self._owned: dict[str, Path] = {}
        self._leaving = ExitStack()
        self._asking = threading.Lock()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.close()

    def own(self, database: str) -> Path:
        """Return the room of the server of `database`, which runs. Raises SandboxError."""
        with self._asking:
            if database not in self._owned:
                path = room.furnished(self._home, room.name_of(database))
                self._leaving.enter_context(server.running(self._describe(path)))
                self._owned[database] = path
            return self._owned[database]


def diagnose(home: Path, engine: str) -> Sequence[tuple[str, str]]:
    """Return what `doctor` shows of the servers of `engine` in `home`: (room, whether it runs); starts nothing."""
    base = room.settled(home, f"any.{engine}").path
    found = sorted(each for each in base.glob(f"*.{engine}") if each.is_dir())
    return [
        (each.name, f"{'runs' if server.is_running(each) else 'does not run'}, in {each}") for each in found
    ]
