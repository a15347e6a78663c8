"""A real PostgreSQL for the sandbox: binaries from the extra `[sandbox]`, or those that SEEDBED_PG_BIN names.

Below the sandbox's home, one room for each major version, so that switching binaries never meets foreign data::

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
from seedbed.servers import place as places
from seedbed.servers import server as servers
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
    room = places.furnish(_settle(home, binaries, identity), _room(binaries), identity)
    if identity.blocked_at(room):
        # What was just created is closed to the server, by our umask: settle again with that in mind.
        room = places.furnish(_settle(home, binaries, identity), _room(binaries), identity)
    local.own_sockets(room / "s", identity)
    binaries = within_reach(binaries, identity)
    with servers.running(local.server(room, binaries, identity)) as running:
        # Whoever started it may have had other binaries of the same major version.
        bin_ = Path(running.argv[0]).parent
        yield EmbeddedServer(
            socket_directory=str(room / "s"),
            port=local.PORT,
            user=local.USER,
            data_directory=room / "data",
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
    found = _settle(home, binaries, identity)
    room = found.path / _room(binaries)
    return Location(
        path=found.path,
        why=found.why,
        data_directory=room / "data",
        log=room / "log",
        bin=binaries.bin,
        version=binaries.version,
        source=binaries.source,
        runs_as=identity.kind,
        running=servers.is_running(room),
    )


def _room(binaries: Binaries) -> str:
    return f"postgres-{binaries.major}"


def _settle(home: Path, binaries: Binaries, identity: Identity) -> places.Place:
    room = _room(binaries)
    return places.settle(home, room=room, longest_socket=f"{room}/{local.SOCKET}", identity=identity)
