"""Daemons that keep servers running between commands: each owns servers as a command does, until it is stopped.

Below the sandbox's home::

    daemons/PID.json    a daemon: {"pid": …, "databases": {id: engine}}; locked by it for as long as it lives
    daemons/log         what the last one wrote

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
from seedbed.servers import directory, locks
from seedbed.servers.download import REPOSITORY
from seedbed.servers.surroundings import surroundings
from seedbed.support.typed import ready

DIRECTORY = "daemons"
PROGRAM = "seedbed.environments.sandbox.daemon"
END_SECONDS = 60.0
OWNED_SECONDS = 1.0  # a server that does not begin to end within these belongs to somebody
POLL_SECONDS = 0.02


class DaemonRequest(Struct, frozen=True):
    """What a daemon is started with: the databases, with their engines, whose servers are to run in `home`."""

    home: str
    databases: Mapping[str, str]


class Daemon(Struct, frozen=True):
    """A daemon that lives."""

    pid: int
    databases: Mapping[str, str]


def daemons(home: Path) -> Sequence[Daemon]:
    """Return the daemons of the sandbox `home`; changes nothing."""
    return [daemon for each in _files(home) if (daemon := _read(each))]


def databases(home: Path) -> Mapping[str, str]:
    """Return the databases, with their engines, whose servers are kept running."""
    return {name: engine for each in daemons(home) for name, engine in each.databases.items()}


def start(engines: Mapping[str, str], home: Path) -> None:
    """Start a daemon that keeps the servers of databases (`engines` by id), which run, running until `stop`.

    Raises SandboxError.
    """
    wanted = {name: engine for name, engine in engines.items() if name not in databases(home)}
    if not wanted:
        return
    folder = directory.create(home, DIRECTORY)
    log = folder / "log"
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        done = subprocess.run(
            [sys.executable, "-P", "-m", PROGRAM, str(folder)],
            input=msgspec.json.encode(DaemonRequest(str(home.absolute()), wanted)),
            stdout=file,
            stderr=file,
            cwd="/",
            env={**surroundings(*choices()), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
            check=False,
        )
    if done.returncode != 0:
        raise SandboxError(
            "the daemon that keeps the servers running did not start",
            because=log.read_text(encoding="utf-8", errors="replace").strip()
            or f"exit code {done.returncode}",
            try_=f"read {log}",
        )


def choices() -> list[str]:
    """Return the variables that say which servers there are, and where: a daemon has to find those that run.

    Nothing is fetched by it, so it does not get what may hold the password of a mirror.
    """
    ours = [name for name in os.environ if name.startswith("SEEDBED_") and name != REPOSITORY]
    return [*ours, "XDG_CACHE_HOME", "JAVA_HOME", "CI"]


def stop(home: Path) -> Mapping[str, str]:
    """Stop the daemons of `home`, and return the databases whose servers they kept running.

    A server that a command uses at this moment runs until that ends. Raises SandboxError for a daemon that stays.
    """
    stopped = databases(home)
    deadline = time.monotonic() + END_SECONDS
    for path in _files(home):
        while daemon := _read(path):
            if time.monotonic() > deadline:
                raise SandboxError(
                    "the servers are still kept running",
                    because=f"process {daemon.pid} does not end",
                    try_=f"kill {daemon.pid}",
                )
            _require_ours(path, daemon)
            os.kill(daemon.pid, signal.SIGTERM)
            time.sleep(POLL_SECONDS)
        path.unlink(missing_ok=True)
    return stopped


def _require_ours(path: Path, daemon: Daemon) -> None:
    """Raise SandboxError unless the process that `path` names is the one that holds it.

    A file may say anything, and the same directory may be seen from another container, where numbers are others.
    """
    holders = locks.holders(path)
    if daemon.pid in holders or (not holders and not Path("/proc/self").exists()) or not locks.is_held(path):
        return
    raise SandboxError(
        f"{path} names process {daemon.pid}, which does not hold it",
        because="it was changed, or its daemon runs in another container; nothing was sent to that process",
        try_=f"end the daemon where it was started, or remove the file: rm {path}",
    )


def wait_until_stopped(home: Path) -> Sequence[str]:
    """Wait for the servers of `home` that end, and return those that still run because somebody owns them."""
    folder = directory.home_for(home, DIRECTORY).path
    began = time.monotonic()
    ending_seen = began
    while True:
        busy = [each.parent for each in folder.glob("*/supervisor.lock") if locks.is_held(each)]
        now = time.monotonic()
        if any(locks.is_held(each / "owners.lock") for each in busy):
            ending_seen = now  # a supervisor that lets nobody in any more
        if not busy or now - ending_seen > OWNED_SECONDS or now - began > END_SECONDS:
            return sorted(each.name for each in busy)
        time.sleep(POLL_SECONDS)


def _files(home: Path) -> Sequence[Path]:
    return sorted((directory.home_for(home, DIRECTORY).path / DIRECTORY).glob("*.json"))


def _read(path: Path) -> Daemon | None:
    """Return the daemon that wrote `path`, None if it is gone."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ready(Daemon)) if locks.is_held(path) else None
    except FileNotFoundError:
        return None


def register(folder: Path, engines: Mapping[str, str]) -> tuple[Path, int]:
    """Write into `folder` that this process is a daemon; return the file, and the descriptor that holds its lock."""
    path = folder / f"{os.getpid()}.json"
    draft = path.with_suffix(".new")
    draft.write_bytes(json.dumps({"pid": os.getpid(), "databases": dict(engines)}).encode())
    held = locks.acquire(draft, exclusive=True, seconds=0)
    if held is None:
        raise SandboxError(f"{draft} is locked", because="no other program writes there", try_="try again")
    draft.replace(path)  # from now on it is read, and it is locked already
    return path, held
