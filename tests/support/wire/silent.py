"""A line to a server of this machine that falls silent: connections stay, new ones are let in, and nothing is carried."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.support.wire.proxy import at_once

Way = Callable[[], socket.socket]  # connects to the server itself

_LOOK = 0.02  # seconds


@dataclass
class SilentLine:
    """`settings`: how an engine reaches its database over it."""

    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    silent: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)

    def fall_silent(self) -> None:
        self.silent.set()

    def _carry(self, client: socket.socket, way: Way) -> None:
        with suppress(OSError), client:
            if self.silent.is_set():
                self.is_over.wait()
                return
            with way() as server:
                at_once(client, server)
                while not self.silent.is_set():
                    for source in select.select([client, server], [], [], _LOOK)[0]:
                        if self.silent.is_set() or not (part := source.recv(65536)):
                            break
                        (server if source is client else client).sendall(part)
                    else:
                        continue
                    if not self.silent.is_set():
                        return  # one side hung up
                self.is_over.wait()

    def _accept(self, door: socket.socket, way: Way) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._carry, args=(door.accept()[0], way), daemon=True).start()


def over_tcp(port: int) -> Way:
    return lambda: socket.create_connection(("127.0.0.1", port))


def over_socket(path: str) -> Way:
    def connect() -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        line.connect(path)
        return line

    return connect


@contextmanager
def silent_line(way: Way) -> Iterator[SilentLine]:
    """Run a line to where `way` leads; at the end all that is on it is cut off."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        line = SilentLine(door.getsockname()[1])
        threading.Thread(target=line._accept, args=(door, way), daemon=True).start()
        try:
            yield line
        finally:
            line.silent.set()
            line.is_over.set()
            door.shutdown(socket.SHUT_RDWR)
