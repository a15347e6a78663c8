"""Let a JVM start from what an earlier one had loaded and linked: Java's ahead-of-time cache, made once for a server.

Making it takes some 20 seconds of a processor and saves two to four of each start, so it is made where somebody will
start the server again: not on a runner of CI, whose caches are gone afterwards (variable `CI`).

The file is named by all that it depends on, as far as a JVM looks: of the Java that is its build, neither its path nor
its date, so that environments which were installed at different times share one. It appears whole or not at all, one
process makes it, and the others start without it meanwhile; a JVM that finds fault with it starts without it, too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from seedbed.errors import SandboxError
from seedbed.servers import checked, jars, java, locks, notify, server
from seedbed.servers.server import Server

JAVA = 25  # the first that records in one go
RETRY_SECONDS = 7 * 86_400.0  # after a recording that failed
LIMIT_BYTES = 2_000_000_000  # of all caches; those that were used last stay
PATIENCE_SECONDS = 180.0  # for the JVM that records to write what it recorded, at its end

DescribeServer = Callable[
    [Path, Sequence[str]], Server
]  # a server in this directory, with these options for its JVM
TrainingRun = Callable[[Path], None]  # use the server of this directory as it will be used


def options(
    name: str,
    title: str,
    program: Path,
    arguments: Sequence[str],
    describe: DescribeServer,
    train: TrainingRun,
) -> Sequence[str]:
    """Return the JVM options that make a server start warm; none where that cannot be, or is not worth it.

    `arguments` are those that the cache depends on, the class path among them. A server that starts cold is a server:
    raises SandboxError only for a cache that others may write to.
    """
    if java.major(program) < JAVA:
        return ()
    path = jars.cache() / "aot" / name / f"{_digest(program, arguments)}.aot"
    checked.require_private(path.parent, jars.cache())
    _forget_failure(path)
    if not path.exists() and not _is_ci():
        with suppress(OSError):
            _make_once(path, title, describe, train)
    try:
        if path.stat().st_size == 0:
            return ()  # it could not be made
        os.utime(path)  # when it was last used
    except OSError:
        return ()
    return f"-XX:AOTCache={path}", "-Xlog:aot*=error"


def _forget_failure(path: Path) -> None:
    """Remove the mark of a recording that failed long ago: it may have been a machine with too much to do."""
    with suppress(OSError):
        found = path.stat()
        if found.st_size == 0 and time.time() - found.st_mtime > RETRY_SECONDS:
            path.unlink()


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def _digest(program: Path, arguments: Sequence[str]) -> str:
    """Return what names a cache: a JVM refuses one whose Java, options or jars are others, or jars of another date."""
    stamps = [f"{each} {_stamp(each)}" for each in _jars(arguments)]
    return hashlib.sha256("\n".join([_build(program), *arguments, *stamps]).encode()).hexdigest()[:12]


def _build(program: Path) -> str:
    """Return what a JVM compares of the Java that made a cache: its build, and the size of its classes."""
    home = program.resolve().parents[1]
    try:
        return f"{(home / 'release').read_text(encoding='utf-8')} {(home / 'lib' / 'modules').stat().st_size}"
    except OSError:  # a Java of another shape
        return f"{program.resolve()} {_stamp(program)}"


def _stamp(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _jars(arguments: Sequence[str]) -> list[Path]:
    return [
        Path(part)
        for each in arguments
        for part in each.split(os.pathsep)
        if part.endswith(".jar") and "/" in part
    ]


def _make_once(path: Path, title: str, describe: DescribeServer, train: TrainingRun) -> None:
    """Make the cache, unless another process makes one of this server now. Raises OSError."""
    checked.create(path.parent)
    held = locks.acquire(path.with_name(".lock"), exclusive=True, seconds=0)
    if held is None:
        return
    try:
        if not path.exists():
            _make(path, title, describe, train)
            _forget_old(path.parents[1])
    finally:
        os.close(held)


def _make(path: Path, title: str, describe: DescribeServer, train: TrainingRun) -> None:
    for left in path.parent.glob(".recording-*"):  # of one that was killed
        shutil.rmtree(left, ignore_errors=True)
    began = time.monotonic()
    notify.emit(
        f"Preparing {title} to start twice as fast from now on, once: half a minute, more where others work;"
        f" up to 160 MB in {path.parent}"
    )
    directory = Path(tempfile.mkdtemp(prefix=".recording-", dir=path.parent))
    try:
        recorded = directory / "recorded.aot"
        recording = describe(directory, [f"-XX:AOTCacheOutput={recorded}"])
        with server.running(replace(recording, stop=[(signal.SIGTERM, PATIENCE_SECONDS)])):
            train(directory)
        ended = locks.acquire(directory / "supervisor.lock", exclusive=True, seconds=PATIENCE_SECONDS)
        if ended is not None:
            os.close(ended)
        if ended is None or not recorded.exists():
            notify.emit(f"{title} starts as it always did: nothing was recorded")
            path.touch()
            return
        _sync(recorded)
        size = recorded.stat().st_size / jars.MB
        os.replace(recorded, path)
        notify.emit(f"  {title} is prepared: {time.monotonic() - began:.0f} s, {size:.0f} MB")
    except SandboxError as error:
        notify.emit(f"{title} starts as it always did: {error.what}")
        path.touch()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _sync(path: Path) -> None:
    """Have the file on the disk before it gets its name: a machine that dies leaves none that is half."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forget_old(folder: Path) -> None:
    """Remove what was not used for longest, as far as all together are too large; who runs from one keeps it open."""
    found = [(each, each.stat()) for each in folder.rglob("*.aot") if not each.parent.name.startswith(".")]
    found.sort(key=lambda each: each[1].st_mtime, reverse=True)
    total = 0
    for each, status in found:
        total += status.st_size
        if total > LIMIT_BYTES:
            each.unlink(missing_ok=True)
