"""Who owns a running server: file locks, which the kernel releases however their holder ends.

`flock`, not `fcntl` locks: they belong to the open file, so threads of one process are owners of their own, and a
forked child keeps the server alive as its parent does. An executed child does not: the descriptors are not inherited.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.005


def acquire(path: Path, *, exclusive: bool, seconds: float) -> int | None:
    """Return a file descriptor that holds the lock `path`, or None if it could not be had within `seconds`.

    Creates the file (0600). Closing the descriptor releases the lock, unless a child inherited it. Raises OSError.
    """
    # Readable only by its owner: whoever can open a lock file can take the lock. O_NOFOLLOW: never through a link.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return _locked(descriptor, exclusive=exclusive, seconds=seconds)


def _locked(descriptor: int, *, exclusive: bool, seconds: float) -> int | None:
    operation = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB
    deadline = time.monotonic() + seconds
    try:
        while True:
            try:
                fcntl.flock(descriptor, operation)
                return descriptor
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return None
                time.sleep(POLL_SECONDS)
    except BaseException:  # Ctrl-C while waiting
        os.close(descriptor)
        raise


@contextmanager
def holding(path: Path, *, exclusive: bool, seconds: float) -> Iterator[None]:
    """Hold the lock `path`. Raises TimeoutError after `seconds` without it."""
    with _held(path, acquire(path, exclusive=exclusive, seconds=seconds), seconds):
        yield


@contextmanager
def holding_directory(path: Path, *, seconds: float) -> Iterator[None]:
    """Be the only one who holds the directory `path`: whoever may read it may, in files of several users, too.

    Raises TimeoutError after `seconds`, OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with _held(path, _locked(descriptor, exclusive=True, seconds=seconds), seconds):
        yield


@contextmanager
def _held(path: Path, descriptor: int | None, seconds: float) -> Iterator[None]:
    if descriptor is None:
        raise TimeoutError(f"{path} was locked by another process for {seconds:g} s")
    try:
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether somebody holds the lock `path` exclusively; a file that is not there is held by nobody."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def holders(path: Path) -> frozenset[int]:
    """Return the pids that have `path` open, without our own; empty where there is no /proc to tell.

    A lock that a dead process's children inherited has no other trace: /proc/locks names who took it, not who has it.
    """
    try:
        wanted = path.stat()
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return frozenset()
    return frozenset(pid for pid in pids if pid != os.getpid() and _has_open(pid, wanted))


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        for name in os.listdir(folder):
            try:
                found = os.stat(f"{folder}/{name}")
            except OSError:
                continue  # closed meanwhile, or a socket
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    except OSError:
        return False  # ended meanwhile, or not ours to look at
    return False
