"""A server that falls silent does not outlive a stop that was asked for."""

from __future__ import annotations

import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.execution.stopping import GRACE
from tests.support.postgres.wire import HERE, connected, wait_until
from tests.support.projects import ProjectFiles, clean_environment, start, variables


@contextmanager
def silencing(server: EmbeddedServer) -> Iterator[tuple[int, threading.Event]]:
    """Listen on a port and hand everything on until the event is set; from then on nothing, and new ones wait as well."""
    is_silent = threading.Event()
    path = f"{server.socket_directory}/.s.PGSQL.{server.port}"

    def pump(client: socket.socket) -> None:
        with suppress(OSError), client, socket.socket(socket.AF_UNIX) as behind:
            behind.connect(path)
            while True:
                ready = select.select([client, behind], [], [], 0.05)[0]
                if is_silent.is_set():
                    time.sleep(0.05)
                    continue
                for source in ready:
                    part = source.recv(65536)
                    if not part:
                        return
                    (behind if source is client else client).sendall(part)

    def accept(door: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=pump, args=(door.accept()[0],), daemon=True).start()

    with socket.create_server((HERE, 0)) as door:
        threading.Thread(target=accept, args=(door,), daemon=True).start()
        yield door.getsockname()[1], is_silent
        door.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow
@pytest.mark.parametrize("options", ["", "transaction:false"])
def test_after_a_stop_a_silent_server_has_a_few_seconds_and_then_the_outcome_is_unknown(
    files: ProjectFiles, postgres_server: EmbeddedServer, new_database: Callable[[], str], options: str
) -> None:
    database = new_database()
    files.migration("20260101000001_sleep", "SELECT pg_sleep(600);", options=options)
    with silencing(postgres_server) as (port, is_silent):
        env = {**variables(postgres_server, database), "DB_HOST": HERE, "DB_PORT": str(port)}
        given = ("apply", "-e", "dev-ana")
        with start(files.root, *given, env=clean_environment(env)) as process:
            try:
                wait_until(lambda: _is_asleep(postgres_server, database), "it is at work")
                is_silent.set()
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                code = process.wait(GRACE + 15)
            finally:
                process.kill()
    assert code == 5
    assert GRACE - 1 < time.monotonic() - began < GRACE + 10


def _is_asleep(server: EmbeddedServer, database: str) -> bool:
    with connected(server, database) as connection:
        query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        return connection.execute(query).rowcount == 1
