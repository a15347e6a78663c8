"""A memory server of one's own, as a child process that ends with its owner."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from seedbed.errors import Hint, SandboxError, call

# The server is a package of its own, beside this module, and knows nothing of seedbed.
_SERVER = "import sys; sys.path.insert(0, sys.argv[1]); from server.main import main; main(sys.argv[2])"
_LONGEST_PATH = 100  # a unix socket's path holds 107 bytes, 103 on macOS


class Server(Struct, frozen=True):
    """A running server; a database is there as soon as somebody names it."""

    socket: str

    def settings(self, database: str) -> Mapping[str, str]:
        return {"socket": self.socket, "database": database}


@contextmanager
def embedded(home: Path) -> Iterator[Server]:
    """Run a server until the block ends, or this process does; what it holds goes with it.

    Raises SandboxError.
    """
    home.mkdir(parents=True, exist_ok=True)
    directory = _socket_directory(home)
    try:
        socket = str(directory / "socket")
        process = _started(socket)
        try:
            yield Server(socket)
        finally:
            _end(process)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _socket_directory(home: Path) -> Path:
    """Return a new directory for the socket: under `home`, unless its path is too long for a socket."""
    parent = home.resolve()
    is_short = len(str(parent / "memory-xxxxxxxx" / "socket").encode()) <= _LONGEST_PATH
    return Path(tempfile.mkdtemp(prefix="memory-", dir=parent if is_short else None))


def _started(socket: str) -> subprocess.Popen[bytes]:
    # -I: neither this directory nor PYTHONPATH can put a module of the same name before the standard library's
    command = [sys.executable, "-I", "-S", "-c", _SERVER, str(Path(__file__).parent), socket]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise SandboxError(
            "the memory server could not be started", because=str(error), try_=Hint(call("doctor"))
        ) from error
    assert process.stdout is not None
    if process.stdout.readline() != b"ready\n":
        code = process.wait()
        raise SandboxError(
            "the memory server ended before it was ready",
            because=f"its exit code is {code}; what it said is above",
            try_=Hint(call("doctor")),
        )
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the server's standard input, which ends it, and see it end."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
