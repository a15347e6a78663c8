"""The servers of an engine that has one for each database: started when first asked for, owned together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from seedbed.servers import directory, server
from seedbed.servers.server import Server

Describe = Callable[[Path], Server]  # the server that lives in this directory, which exists


class ServerPool:
    """Owns a server for each database that was asked for, until it is closed; any thread may ask."""

    def __init__(self, home: Path, describe: Describe) -> None:
        self._home = home
        self._describe = describe
        self._owned: dict[str, Path] = {}
        self._leaving = ExitStack()
        self._asking = threading.Lock()

    def __enter__(self) -> ServerPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.close()

    def ensure_running(self, database: str) -> Path:
        """Return the directory of the server of `database`, started if it does not run. Raises SandboxError."""
        with self._asking:
            if database not in self._owned:
                path = directory.create(self._home, directory.name_for(database))
                self._leaving.enter_context(server.running(self._describe(path)))
                self._owned[database] = path
            return self._owned[database]


def diagnose(home: Path, engine: str) -> Sequence[tuple[str, str]]:
    """Return what `doctor` shows of the servers of `engine` in `home`: (directory, whether it runs); starts nothing."""
    base = directory.home_for(home, f"any.{engine}").path
    found = sorted(each for each in base.glob(f"*.{engine}") if each.is_dir())
    return [
        (each.name, f"{'runs' if server.is_running(each) else 'does not run'}, in {each}") for each in found
    ]
