"""Directories that a command works in: each goes with its command, or with the next one where that was killed.

A command holds a lock on its directory, and the kernel lets go of that whatever ends it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct


class Scratch(Struct, frozen=True):
    """A directory that no other user may read or write. `lock`: a descriptor for children that work in it, too."""

    directory: Path
    lock: int


@contextmanager
def scratch(prefix: str) -> Iterator[Scratch]:
    """Yield a new directory whose name begins with `prefix`; those that killed commands left are deleted before.

    Raises OSError where none can be made.
    """
    _delete_left(prefix)
    made = _made(prefix)
    try:
        yield made
    finally:
        shutil.rmtree(made.directory, ignore_errors=True)  # what is left goes with the next one
        os.close(made.lock)


def _made(prefix: str) -> Scratch:
    while True:
        directory = Path(tempfile.mkdtemp(prefix=prefix)).resolve()  # mode 0700
        with suppress(FileNotFoundError):
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            with suppress(OSError):  # a file system without locks: nothing is deleted there
                fcntl.flock(lock, fcntl.LOCK_EX)
            if directory.exists():
                return Scratch(directory, lock)
            os.close(lock)
        # Before we had the lock, another command took it for one that was left: another one, then.


def _delete_left(prefix: str) -> None:
    """Delete our own directories that no command works in any more; what cannot be deleted is left for good."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path)
            finally:
                os.close(lock)
