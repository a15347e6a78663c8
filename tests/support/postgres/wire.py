"""What tests put between seedbed and PostgreSQL: a forwarder, one with TLS, a pool; and a server with TCP of its own."""

from __future__ import annotations

import os
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from unittest import mock

import psycopg
import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer, embedded, local
from seedbed.model.environment import Environment
from seedbed.model.platform import Database
from seedbed.model.target import Target
from tests.support.projects import Ran, command
from tests.support.servers import quick_folder, remove_soon
from tests.support.wire.proxy import at_once

HERE = "127.0.0.1"
# A name for this machine that seedbed does not know as one: whatever is asked of other machines is asked of it.
ELSEWHERE = "0.0.0.0"
_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104  # PostgreSQL documentation, "Message Formats"
_PATIENCE = 30.0
_FIELDS = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
_STARTING = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


def free_port() -> int:
    with socket.create_server((HERE, 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], object], what: str, seconds: float = _PATIENCE) -> None:
    """Return as soon as `holds`; fail the test if it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.02)


@contextmanager
def connected(server: EmbeddedServer, database: str, **more: str) -> Iterator[psycopg.Connection]:
    """Yield an autocommitting superuser's session of the test's own."""
    with psycopg.connect(**{**server.dsn(database), **more}, autocommit=True) as connection:  # type: ignore[arg-type]
        yield connection


def snapshot(server: EmbeddedServer, database: str) -> list[tuple[str, ...]]:
    """Return everything that a run could have touched: objects, identity, history, audit, settings, locks."""
    with connected(server, database) as connection:
        rows = connection.execute(
            "SELECT 'object', n.nspname, c.relname, c.relkind::text FROM pg_class AS c "
            "JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> "
            "'information_schema' UNION ALL SELECT 'lock', locktype, mode, '' FROM pg_locks WHERE database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database()) AND locktype = 'advisory'"
        ).fetchall()
        for table in ("identity", "history", "audit"):
            name = f"seedbed.migrations_{table}"
            found = connection.execute("SELECT to_regclass(%s)", [name]).fetchone()
            if found and found[0]:
                query = f"SELECT '{table}', t::text FROM {name} AS t"
                rows += connection.execute(query.encode()).fetchall()
    return sorted(tuple(map(str, row)) for row in rows)


def target(address: object, database: str = "user/postgres", environment: str = "dev-test") -> Target:
    """Return a target with `address`, for sessions inside the test's own process."""
    service, _, engine = database.partition("/")
    place = Database(service, engine, Path("."))
    return Target(place, Environment(environment, ephemeral=True), "sample", address)


def run_as_task(root: Path, *arguments: str, env: Mapping[str, str]) -> Ran:
    """Run `seedbed` as an ECS task does: nothing but PATH, HOME and what `env` says is in its environment."""
    least = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(root)}
    done = subprocess.run(
        command(*arguments),
        cwd=root,
        env={**least, **env},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


# Forwarding


@contextmanager
def forwarding(server: EmbeddedServer, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Listen on a port of this machine and hand everything to the server's socket; with `tls`, end TLS here.

    Without `tls` it is the server that answers the request for TLS, and it has none on a socket.
    """
    path = f"{server.socket_directory}/.s.PGSQL.{server.port}"
    with socket.create_server((HERE, 0)) as door:
        threading.Thread(target=_accept, args=(door, path, tls), daemon=True).start()
        try:
            yield door.getsockname()[1]
        finally:
            door.shutdown(socket.SHUT_RDWR)


@contextmanager
def waking(
    server: EmbeddedServer,
    after: float,
    *,
    refuses: bool = False,
    hangs_up: bool = False,
    knocked: list[float] | None = None,
) -> Iterator[int]:
    """Listen on a port of this machine, and answer in the server's name `after` seconds from the first connection.

    Until then whoever connects waits, or is told that the server is starting up where it `refuses`, or nothing at all
    where it `hangs_up`. `knocked` is told when each connection came, by the monotonic clock.
    """
    path = f"{server.socket_directory}/.s.PGSQL.{server.port}"
    times: list[float] = [] if knocked is None else knocked

    def serve(client: socket.socket) -> None:
        times.append(time.monotonic())
        until = times[0] + after
        with suppress(OSError), client:
            if hangs_up and time.monotonic() < until:
                return
            if refuses and time.monotonic() < until:
                client.recv(1024)
                client.sendall(_STARTING)
                return
            time.sleep(max(0.0, until - time.monotonic()))
            _pump(client, path)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()

    with socket.create_server((HERE, 0)) as door:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield door.getsockname()[1]
        finally:
            door.shutdown(socket.SHUT_RDWR)


def _accept(door: socket.socket, path: str, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError):  # the door was closed
        while True:
            client, _ = door.accept()
            threading.Thread(target=_serve, args=(client, path, tls), daemon=True).start()


def _serve(client: socket.socket, path: str, tls: ssl.SSLContext | None) -> None:
    # Whoever refuses our certificate hangs up in the middle of the handshake.
    with suppress(OSError), client:
        if tls is None:
            _pump(client, path)
            return
        _await_request(client)
        with tls.wrap_socket(client, server_side=True) as secured:
            _pump(secured, path)


def _await_request(client: socket.socket) -> None:
    """Say yes to the request for TLS, and no to any other before it."""
    while True:
        number = int.from_bytes(_exactly(client, 8)[4:], "big")
        client.sendall(b"S" if number == _SSL_REQUEST else b"N")
        if number == _SSL_REQUEST:
            return
        if number != _GSS_REQUEST:
            raise ConnectionError("a client that does not want TLS")


def _exactly(client: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = client.recv(count - len(found))
        if not part:
            raise ConnectionError("hung up")
        found += part
    return found


def _pump(client: socket.socket, path: str) -> None:
    """Carry bytes both ways until one side hangs up; one thread, because OpenSSL takes one at a time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.connect(path)
        at_once(client)
        while True:
            held = isinstance(client, ssl.SSLSocket) and client.pending()
            ready = [client] if held else select.select([client, server], [], [])[0]
            for source in ready:
                part = source.recv(65536)
                if not part:
                    return
                (server if source is client else client).sendall(part)


# A server of its own, with TCP


@contextmanager
def tcp_server(**settings: str) -> Iterator[EmbeddedServer]:
    """Run a PostgreSQL of its own, in memory if it can be, that also listens on a free port of 127.0.0.1."""
    port = free_port()
    home = Path(tempfile.mkdtemp(prefix="seedbed-t-", dir=quick_folder()))
    home.chmod(0o755)
    changed = {"listen_addresses": HERE, "port": str(port), **settings}
    with (
        mock.patch.object(local, "PORT", port),
        mock.patch.object(local, "SOCKET", f"s/.s.PGSQL.{port}"),
        mock.patch.object(local, "SETTINGS", {**local.SETTINGS, **changed}),
        ExitStack() as closing,
    ):
        closing.callback(remove_soon, home)
        yield closing.enter_context(embedded(home))


# pgbouncer


@contextmanager
def pgbouncer(server: EmbeddedServer, mode: str, **settings: str) -> Iterator[int]:
    """Run a pool before the server and yield its port. Skips the test where there is no pgbouncer."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    port = free_port()
    with forwarding(server) as behind, tempfile.TemporaryDirectory(prefix="seedbed-pool-") as name:
        folder = Path(name)
        (folder / "users").write_text(f'"{server.user}" ""\n')
        (folder / "ini").write_text(_configuration(folder, behind, port, {"pool_mode": mode, **settings}))
        for path in (folder, folder / "users", folder / "ini"):
            path.chmod(0o755)
        # It refuses to be root, and the server's socket is closed to anybody else: hence the forwarder.
        identity = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        with (folder / "log").open("wb") as log:
            pool = subprocess.Popen(
                [program, str(folder / "ini")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                **identity,  # type: ignore[call-overload]
            )
        try:
            wait_until(lambda: pool.poll() is not None or _answers(port), "pgbouncer listens")
            assert pool.poll() is None, (folder / "log").read_text()
            yield port
        finally:
            pool.kill()
            pool.wait()


def _configuration(folder: Path, behind: int, port: int, settings: Mapping[str, str]) -> str:
    lines = {
        "listen_addr": HERE,
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "trust",
        "auth_file": str(folder / "users"),
        **settings,
    }
    text = "".join(f"{key} = {value}\n" for key, value in lines.items())
    return f"[databases]\n* = host={HERE} port={behind}\n[pgbouncer]\n{text}"


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HERE, port), 1):
        return True
    return False


# Roles


@contextmanager
def role(server: EmbeddedServer, database: str, attributes: str = "") -> Iterator[str]:
    """Yield a role that may log in; it and what it owns in `database` are dropped afterwards."""
    name = f"r_{uuid.uuid4().hex[:12]}"
    with connected(server, database) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN {attributes}".encode())
    yield name
    with connected(server, database) as connection:
        connection.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}".encode())
