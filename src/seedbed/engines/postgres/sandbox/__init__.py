"""A real PostgreSQL for the sandbox: binaries from the extra `[sandbox]`, or those that SEEDBED_PG_BIN names.

Below the sandbox's home, one directory for each major version, so that switching binaries never meets foreign data::

    postgres-18/data      the cluster; survives from command to command
    postgres-18/s         the socket (its path may have 107 bytes, hence the name); no TCP, so no port to collide with
    postgres-18/log       since the last start; log.old before that
    postgres-18/*.lock    who owns it: see `seedbed.servers`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seedbed.engines.postgres.sandbox import local
from seedbed.engines.postgres.sandbox.binaries import Binaries, find_binaries, version_of, within_reach
from seedbed.engines.postgres.sandbox.server import EmbeddedServer
from seedbed.servers import server as servers
from seedbed.servers.directory import ServerHome, choose_home, create_in
from seedbed.servers.identity import Identity, ordinary_user

__all__ = ["EmbeddedServer", "Location", "diagnose", "embedded", "locate", "place"]

RUNS_AS = {
    "same": "you",
    "userns": "you, in a user namespace",
    "setuid": "an unprivileged user",
}


@dataclass(frozen=True, slots=True)
class Location:
    """Where the embedded PostgreSQL of a sandbox lives, for `doctor`; nothing was started or created to find out.

    `why` it does not live in the sandbox's home, "" when it does; `runs_as` is an `Identity.kind`.
    """

    path: Path
    why: str
    data_directory: Path
    log: Path
    bin: Path
    version: str
    source: str
    runs_as: str
    running: bool


@contextmanager
def embedded(home: Path) -> Iterator[EmbeddedServer]:
    """Run a PostgreSQL in the sandbox `home`, or share the one that runs there. Raises SandboxError.

    It is stopped when its last owner, of whatever process, leaves or dies; its data stays.
    """
    binaries = find_binaries()
    identity = ordinary_user()
    directory = create_in(_home(home, binaries, identity), _directory_name(binaries), identity)
    if identity.blocked_at(directory):
        # What was just created is closed to the server, by our umask: settle again with that in mind.
        directory = create_in(_home(home, binaries, identity), _directory_name(binaries), identity)
    local.own_sockets(directory / "s", identity)
    binaries = within_reach(binaries, identity)
    with servers.running(local.server(directory, binaries, identity)) as running:
        # Whoever started it may have had other binaries of the same major version.
        bin_ = Path(running.argv[0]).parent
        yield EmbeddedServer(
            socket_directory=str(directory / "s"),
            port=local.PORT,
            user=local.USER,
            data_directory=directory / "data",
            bin=bin_,
            version=version_of(bin_ / "postgres"),
            pid=running.server,
        )


def diagnose(home: Path) -> Sequence[tuple[str, str]]:
    """Return what `doctor` shows about the sandbox's PostgreSQL: (what, what about it). Raises SandboxError."""
    found = locate(home)
    rows = [
        ("PostgreSQL", f"{found.version}, {found.bin} ({found.source})"),
        ("runs as", RUNS_AS[found.runs_as]),
        ("data", str(found.data_directory)),
        ("log", str(found.log)),
        ("running", "yes" if found.running else "no"),
    ]
    return [*rows, ("not in the sandbox", found.why)] if found.why else rows


def place(home: Path) -> Path:
    """Return the directory that the server of the sandbox `home` lives in: `home`, or a private temporary one."""
    return locate(home).path


def locate(home: Path) -> Location:
    """Return where the server of the sandbox `home` lives, and why there. Raises SandboxError."""
    binaries = find_binaries()
    identity = ordinary_user()
    found = _home(home, binaries, identity)
    directory = found.path / _directory_name(binaries)
    return Location(
        path=found.path,
        why=found.why,
        data_directory=directory / "data",
        log=directory / "log",
        bin=binaries.bin,
        version=binaries.version,
        source=binaries.source,
        runs_as=identity.kind,
        running=servers.is_running(directory),
    )


def _directory_name(binaries: Binaries) -> str:
    return f"postgres-{binaries.major}"


def _home(home: Path, binaries: Binaries, identity: Identity) -> ServerHome:
    name = _directory_name(binaries)
    return choose_home(home, name=name, longest_socket=f"{name}/{local.SOCKET}", identity=identity)
