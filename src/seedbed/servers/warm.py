"""Let a JVM start from what an earlier one had loaded and linked: Java's ahead-of-time cache, made once for a server.

Making it takes some 20 seconds of a processor and saves two to four of each start, so it is made where somebody will
start the server again: not on a runner of CI, whose caches are gone afterwards (variable `CI`).

The file is named by all that it depends on. It appears whole or not at all, one process makes it, and the others
start without it meanwhile; a JVM that finds fault with it starts without it, too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from seedbed.errors import SandboxError
from seedbed.servers import jars, java, owners, server, telling
from seedbed.servers.server import Server

JAVA = 25  # the first that records in one go
KEPT = 2  # caches of one server: of so many Java runtimes or versions
PATIENCE_SECONDS = 180.0  # for the JVM that records to write what it recorded, at its end

Trial = Callable[[Path, Sequence[str]], Server]  # a server in this room, with these options for its JVM
Rehearsal = Callable[[Path], None]  # use the server of this room as it will be used


def options(
    name: str, title: str, program: Path, arguments: Sequence[str], trial: Trial, rehearse: Rehearsal
) -> Sequence[str]:
    """Return the JVM options that make a server start warm; none where that cannot be, or is not worth it.

    `arguments` are those that the cache depends on, the class path among them. Never raises: a server that starts
    cold is a server.
    """
    if java.major(program) < JAVA:
        return ()
    folder = jars.cache() / "aot"
    path = folder / f"{name}-{_digest(program, arguments)}.aot"
    if not path.exists() and not _is_ci():
        with suppress(OSError):
            _make_once(folder, path, name, title, trial, rehearse)
    try:
        if path.stat().st_size == 0:
            return ()  # it could not be made
        os.utime(path)  # when it was last used
    except OSError:
        return ()
    return f"-XX:AOTCache={path}", "-Xlog:aot*=error"


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def _digest(program: Path, arguments: Sequence[str]) -> str:
    """Return what names a cache: a JVM refuses one whose Java, options or jars are others, even of another date."""
    files = [program.resolve(), *_jars(arguments)]
    stamps = [f"{each} {found.st_size} {found.st_mtime_ns}" for each in files for found in [each.stat()]]
    return hashlib.sha256("\n".join([*arguments, *stamps]).encode()).hexdigest()[:12]


def _jars(arguments: Sequence[str]) -> list[Path]:
    return [
        Path(part)
        for each in arguments
        for part in each.split(os.pathsep)
        if part.endswith(".jar") and "/" in part
    ]


def _make_once(folder: Path, path: Path, name: str, title: str, trial: Trial, rehearse: Rehearsal) -> None:
    """Make the cache, unless another process does so now. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    held = owners.acquire(folder / f".{name}.lock", exclusive=True, seconds=0)
    if held is None:
        return
    try:
        if not path.exists():
            _make(folder, path, name, title, trial, rehearse)
            _forget_old(folder, name)
    finally:
        os.close(held)


def _make(folder: Path, path: Path, name: str, title: str, trial: Trial, rehearse: Rehearsal) -> None:
    for left in folder.glob(f".{name}-*"):  # of one that was killed
        shutil.rmtree(left, ignore_errors=True)
    telling.say(f"Preparing {title} to start faster from now on, once: some 30 s")
    room = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
    try:
        recorded = room / "recorded.aot"
        recording = trial(room, [f"-XX:AOTCacheOutput={recorded}"])
        with server.running(replace(recording, stop=[(signal.SIGTERM, PATIENCE_SECONDS)])):
            rehearse(room)
        ended = owners.acquire(room / "supervisor.lock", exclusive=True, seconds=PATIENCE_SECONDS)
        if ended is not None:
            os.close(ended)
        if ended is None or not recorded.exists():
            telling.say(f"{title} starts as it always did: nothing was recorded")
            path.touch()
            return
        _sync(recorded)
        os.replace(recorded, path)
    except SandboxError as error:
        telling.say(f"{title} starts as it always did: {error.what}")
        path.touch()
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _sync(path: Path) -> None:
    """Have the file on the disk before it gets its name: a machine that dies leaves none that is half."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forget_old(folder: Path, name: str) -> None:
    """Remove all but those that were used last; who runs from one keeps it open."""
    found = sorted(folder.glob(f"{name}-*.aot"), key=lambda each: each.stat().st_mtime, reverse=True)
    for each in found[KEPT:]:
        each.unlink(missing_ok=True)
