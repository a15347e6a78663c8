"""DynamoDB Local: Amazon's own server, which refuses what AWS refuses. In memory, so nothing of it stays.

Access key and region name the tables: a fresh access key (letters and digits) is an empty world, and costs nothing.
There is no CloudFormation, so what CDK would deploy has to be created by whoever uses it.

Below the sandbox's home::

    dynamodb-local/log       since the last start; log.old before that
    dynamodb-local/*.lock    who owns it: see `seedbed.servers`

The jars come from Maven Central at first use, as its licence wants: see `seedbed.servers.jars`.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.errors import SandboxError
from seedbed.servers import jars, java, jvm
from seedbed.servers import server as servers
from seedbed.servers.directory import create, home_for
from seedbed.servers.identity import Identity, current_user
from seedbed.servers.ports import free_port

JAVA = 17
NAME = "dynamodb-local"
MACHINES = ("Linux x86_64",)
FILES = Path(__file__).parent
QUESTION = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ANSWER = b"HTTP/1.1 400"  # it misses a signature; the answer comes when tables could be asked for
OPTIONS = (*jvm.SMALL, *jvm.heap(least=64, most=512))


@contextmanager
def dynamodb_local(home: Path) -> Iterator[World]:
    """Run a DynamoDB Local in the sandbox `home`, or share the one that runs there. Raises SandboxError."""
    _check_machine()
    program = java.runtime(JAVA)
    folder = jars.fetch(lock(), jars.cache(), NAME)
    directory, identity = create(home, NAME), current_user()
    with servers.running(_server(directory, identity, program, folder)) as running:
        port = next(part.removeprefix("port=") for part in running.argv if part.startswith("port="))
        yield World(
            endpoint=f"http://127.0.0.1:{port}", directory=directory, pid=running.server, tells_account=False
        )


def diagnose(home: Path) -> Sequence[tuple[str, str]]:
    """Return what `doctor` shows: (what, what about it); fetches nothing."""
    directory = home_for(home, NAME).path / NAME
    return [
        ("AWS", f"{lock().title}: tables only, in memory"),
        ("Java", java.describe(JAVA)),
        ("jars", jars.describe(lock(), jars.cache(), NAME)),
        ("log", str(directory / "log")),
        ("running", "yes" if servers.is_running(directory) else "no"),
    ]


@cache
def lock() -> jars.Lockfile:
    """Return what DynamoDB Local consists of."""
    return jars.read((FILES / "dynamodb-local.lock").read_text(encoding="utf-8"))


def _check_machine() -> None:
    """Raise SandboxError where the lock has no native library for this machine."""
    machine = f"{platform.system()} {platform.machine()}"
    if machine not in MACHINES:
        raise SandboxError(
            f"DynamoDB Local does not run here yet: this is {machine}",
            because=f"it needs a native library, and there is one for {', '.join(MACHINES)} only",
            try_="SEEDBED_DYNAMODB=ministack",
        )


def _server(directory: Path, identity: Identity, program: Path, folder: Path) -> servers.Server:
    port = free_port()
    return servers.Server(
        name=lock().title,
        directory=directory,
        argv=[
            str(program),
            *OPTIONS,
            f"-Djava.library.path={folder}",
            f"-Djava.io.tmpdir={directory / 'tmp'}",
            *("-cp", f"{folder}/*", "org.eclipse.jetty.xml.XmlConfiguration"),
            f"port={port}",  # before its file: the arguments are read in this order
            str(FILES / "dynamodb-local.xml"),
        ],
        environment={"PATH": os.defpath, "HOME": str(directory)},
        identity=identity,
        ready=[servers.Check("tcp", port=port, says=QUESTION.hex(), hears=ANSWER.hex())],
        stop=[(signal.SIGTERM, 10.0)],
        before=lambda: _tidy(directory / "tmp"),
    )


def _tidy(scratch: Path) -> None:
    """Empty the directory for temporary files: each start unpacks a library of a megabyte, and leaves it there."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
