"""Other processes: taking turns with them, and looking at them from outside, whether they live, and what they hold."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seedbed.servers import locks

GONE_SECONDS = 30.0


@contextmanager
def locked(path: Path) -> Iterator[Path]:
    """Yield `path` while no other worker may: whoever comes first makes what the others read."""
    with open(path.with_name(f"{path.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path


def until(holds: Callable[[], bool], seconds: float = GONE_SECONDS) -> bool:
    """Return whether a condition comes to hold within seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    """Return whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second where it goes between opening and reading
        return False


def gone(directory: Path, *pids: int) -> bool:
    """Return whether these processes, and all that they forked, are gone within seconds."""
    return until(lambda: not any(map(alive, pids)) and not locks.holders(directory / "server.lock"))


def listening(pid: int) -> set[str]:
    """Return the addresses that a process listens on, as the kernel writes them: hexadecimal, without the port."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            inodes.add(os.readlink(f"/proc/{pid}/fd/{name}").removeprefix("socket:[").removesuffix("]"))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].partition(":")[0])
    return found
