"""How the sandbox's PostgreSQL is started and stopped, and what its data has to be like before."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from seedbed.engines.postgres.sandbox.binaries import Binaries, environment
from seedbed.errors import SandboxError
from seedbed.servers import server as servers
from seedbed.servers.identity import Identity

USER = "postgres"  # not the name of the history's schema: "$user" would lead into it
PORT = 5432  # only names the socket
SOCKET = f"s/.s.PGSQL.{PORT}"

# A process that is killed loses nothing under these: what was committed is with the kernel. Only a machine that
# crashes may lose the data, hence synchronous_commit stays on: without it, a SIGKILL lost a committed table.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "30min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_checkpoints": "off",
    # The statement of a client that was killed would otherwise run to its end, and the stop would wait for nothing.
    "client_connection_check_interval": "1s",
}


def own_sockets(folder: Path, identity: Identity) -> None:
    """Create the directory of the socket. Whoever can enter it is the superuser: trust is the authentication."""
    folder.mkdir(0o700, exist_ok=True)
    folder.chmod(0o700)
    identity.give(folder)


def server(directory: Path, binaries: Binaries, identity: Identity) -> servers.Server:
    data, made = directory / "data", directory / "data.new"
    settings = {**SETTINGS, "unix_socket_directories": str(directory / "s")}
    if binaries.major >= 18:
        settings["io_method"] = "sync"  # three processes fewer to start
    return servers.Server(
        name=f"PostgreSQL {binaries.version}",
        directory=directory,
        argv=[
            str(binaries.bin / "postgres"),
            *("-D", str(data)),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ],
        environment=environment(),
        identity=identity,
        # Not just a socket that accepts: it does that while the server recovers, and refuses every login.
        ready=[
            servers.Check(
                "unix", path=str(directory / SOCKET), says=_startup_message().hex(), hears=b"R".hex()
            )
        ],
        # Fast (rolls back, closes, writes a checkpoint), then immediate (recovers at the next start).
        stop=[(signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0)],
        # Immediate: nobody is left to be patient, and the next start may be waiting for the end.
        death_signal=signal.SIGQUIT,
        prepare=[servers.Preparation(_initdb(binaries, made), makes=made, becomes=data)],
        before=lambda: _check_data(data, identity),
    )


def _startup_message() -> bytes:
    """Return the first message of protocol 3.0, for the superuser; a server that lets us in answers with an R.

    Source: PostgreSQL documentation, "Message Formats", StartupMessage.
    """
    words = ("user", USER, "database", "postgres", "")
    body = b"\0\3\0\0" + b"".join(word.encode() + b"\0" for word in words)
    return (len(body) + 4).to_bytes(4, "big") + body


def _initdb(binaries: Binaries, data: Path) -> list[str]:
    if binaries.major >= 17:  # sorts by code point and knows Unicode's cases, on every system alike
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    else:
        locale = [f"--locale={'C.UTF-8' if _system_has('C.UTF-8') else 'C'}"]
    return [
        str(binaries.bin / "initdb"),
        *("-D", str(data), "--username", USER, "--auth=trust", "--encoding=UTF8", *locale),
        *("--no-sync", "--no-instructions"),
    ]


def _system_has(locale: str) -> bool:
    """Return whether the C library knows `locale`; setlocale would change it for every thread."""
    library = ctypes.CDLL(None)
    library.newlocale.restype = ctypes.c_void_p
    every_category = 0x1FBF if sys.platform.startswith("linux") else 0x3F
    found = library.newlocale(every_category, locale.encode(), None)
    if found:
        library.freelocale(ctypes.c_void_p(found))
    return bool(found)


def _check_data(data: Path, identity: Identity) -> None:
    """Refuse data of another user, and forget the pid of a server that was killed.

    Called when nothing of an earlier server is alive. The pid may belong to another process by now (in containers it
    usually does), and PostgreSQL would take that for a server of this data.
    """
    try:
        owner = data.lstat().st_uid
    except FileNotFoundError:
        return
    if owner != identity.owner:
        raise SandboxError(
            f"{data} belongs to uid {owner}, and the server would run as uid {identity.owner}",
            try_=f"run as the user that made it, or remove it: rm -r {data.parent}",
        )
    pid_file = data / "postmaster.pid"
    if Path("/proc/self/cwd").exists() and not _is_at_work(pid_file, data):
        for stale in (pid_file, data.parent / f"{SOCKET}.lock"):
            stale.unlink(missing_ok=True)


def _is_at_work(pid_file: Path, data: Path) -> bool:
    """Return whether the pid is that of a server (started by hand) of this data: its working directory tells."""
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        return os.readlink(f"/proc/{pid}/cwd") == os.path.realpath(data)
    except (OSError, ValueError):
        return False  # no such process, a zombie, or another user's
