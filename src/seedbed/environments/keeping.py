"""The sandbox kept between commands: a process that owns its servers as a command does, until it is told to go.

Below the sandbox's home::

    kept/PID.json    a keeper: {"pid": …, "databases": {id: engine}}; locked by it for as long as it lives
    kept/log         what the last one had to say

Several may live at once, each for some databases. One that was killed is forgotten with its lock, and its servers end
as those of any other owner do.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from seedbed.errors import SandboxError
from seedbed.servers import owners, room
from seedbed.support.typed import ready

ROOM = "kept"
KEEPER = "seedbed.environments.keeper"
END_SECONDS = 60.0
OWNED_SECONDS = 1.0  # a server that does not begin to end within these belongs to somebody
POLL_SECONDS = 0.02


class Wish(Struct, frozen=True):
    """What a keeper is started with: the databases, with their engines, whose servers are to run in `home`."""

    home: str
    databases: Mapping[str, str]


class Keeper(Struct, frozen=True):
    """A keeper that lives."""

    pid: int
    databases: Mapping[str, str]


def keepers(home: Path) -> Sequence[Keeper]:
    """Return who keeps servers of the sandbox `home` running; changes nothing."""
    return [keeper for each in _files(home) if (keeper := _living(each))]


def kept(home: Path) -> Mapping[str, str]:
    """Return the databases, with their engines, whose servers are kept running."""
    return {name: engine for each in keepers(home) for name, engine in each.databases.items()}


def keep(databases: Mapping[str, str], home: Path) -> None:
    """Have the servers of `databases` (engines by id), which run, go on running until `release`.

    Raises SandboxError.
    """
    wanted = {name: engine for name, engine in databases.items() if name not in kept(home)}
    if not wanted:
        return
    folder = room.furnished(home, ROOM)
    log = folder / "log"
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        done = subprocess.run(
            [sys.executable, "-P", "-m", KEEPER, str(folder)],
            input=msgspec.json.encode(Wish(str(home.absolute()), wanted)),
            stdout=file,
            stderr=file,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
            check=False,
        )
    if done.returncode != 0:
        raise SandboxError(
            "nobody keeps the servers running",
            because=log.read_text(encoding="utf-8", errors="replace").strip()
            or f"exit code {done.returncode}",
            try_=f"read {log}",
        )


def release(home: Path) -> Mapping[str, str]:
    """Have nobody keep anything running in `home` any more, and return the databases that were kept.

    A server that a command uses at this moment runs until that ends. Raises SandboxError for a keeper that stays.
    """
    released = kept(home)
    deadline = time.monotonic() + END_SECONDS
    for path in _files(home):
        while keeper := _living(path):
            if time.monotonic() > deadline:
                raise SandboxError(
                    "the servers are still kept running",
                    because=f"process {keeper.pid} does not end",
                    try_=f"kill {keeper.pid}",
                )
            os.kill(keeper.pid, signal.SIGTERM)  # it holds its lock, so it is no other process of that number
            time.sleep(POLL_SECONDS)
        path.unlink(missing_ok=True)
    return released


def in_use(home: Path) -> Sequence[str]:
    """Return which servers still run in `home` because somebody owns them; waits for those that end."""
    folder = room.settled(home, ROOM).path
    began = time.monotonic()
    ending_seen = began
    while True:
        busy = [each.parent for each in folder.glob("*/supervisor.lock") if owners.is_held(each)]
        now = time.monotonic()
        if any(owners.is_held(each / "owners.lock") for each in busy):
            ending_seen = now  # a supervisor that lets nobody in any more
        if not busy or now - ending_seen > OWNED_SECONDS or now - began > END_SECONDS:
            return sorted(each.name for each in busy)
        time.sleep(POLL_SECONDS)


def _files(home: Path) -> Sequence[Path]:
    return sorted((room.settled(home, ROOM).path / ROOM).glob("*.json"))


def _living(path: Path) -> Keeper | None:
    """Return the keeper that wrote `path`, None if it is gone."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ready(Keeper)) if owners.is_held(path) else None
    except FileNotFoundError:
        return None


def write(folder: Path, databases: Mapping[str, str]) -> tuple[Path, int]:
    """Say in `folder` that this process is a keeper; return the file, and the descriptor that holds its lock."""
    path = folder / f"{os.getpid()}.json"
    draft = path.with_suffix(".new")
    draft.write_bytes(json.dumps({"pid": os.getpid(), "databases": dict(databases)}).encode())
    held = owners.acquire(draft, exclusive=True, seconds=0)
    if held is None:
        raise SandboxError(f"{draft} is locked", because="nobody else writes there", try_="try again")
    draft.replace(path)  # from now on it is read, and it is locked already
    return path, held
