"""Counting round trips on the wire: a proxy on a socket, between a client that waits and a server that answers."""

from __future__ import annotations

import select
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 1 << 16


@dataclass(slots=True)
class Wire:
    """A proxy at work. `round_trips`: how often a client spoke after the server had, or spoke first."""

    directory: Path
    round_trips: int = 0
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> None:
        with self.lock:
            self.round_trips += 1


@contextmanager
def counted(socket_directory: str, port: int) -> Iterator[Wire]:
    """Yield a socket directory that leads to the server in `socket_directory`, and counts."""
    name = f".s.PGSQL.{port}"
    with tempfile.TemporaryDirectory(prefix="wire-") as directory, socket.socket(socket.AF_UNIX) as listener:
        wire = Wire(Path(directory))
        listener.bind(str(wire.directory / name))
        listener.listen()
        accepting = threading.Thread(
            target=_accept, args=(listener, f"{socket_directory}/{name}", wire), daemon=True
        )
        accepting.start()
        yield wire
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        accepting.join(5)


def _accept(listener: socket.socket, server: str, wire: Wire) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        wire.connections += 1
        threading.Thread(target=_relay, args=(client, server, wire), daemon=True).start()


def _relay(client: socket.socket, address: str, wire: Wire) -> None:
    """Carry bytes both ways until one side ends; a burst of the client's after the server's is a round trip."""
    with client, socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        client_speaks = False
        while True:
            ready, _, _ = select.select([client, server], [], [])
            for source in ready:
                data = source.recv(_CHUNK)
                if not data:
                    return
                if source is client and not client_speaks:
                    wire.count()
                client_speaks = source is client
                (server if source is client else client).sendall(data)
