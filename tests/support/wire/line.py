"""A line to a port of this machine that breaks when a test says so, whatever is spoken over it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.wire.proxy import pump


class BreakableLine:
    """`port`: where it begins. While it is broken, what is connected is cut off, and nobody gets through."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lines: set[socket.socket] = set()
        self._is_broken = False
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Let whoever connects through, until it is closed."""
        with suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(line,), daemon=True).start()

    def _carry(self, line: socket.socket) -> None:
        with line, suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as server:
            with self._lock:
                if self._is_broken:
                    return
                self._lines |= {line, server}
            try:
                pump(line, server)
            finally:
                with self._lock:
                    self._lines -= {line, server}

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Cut off whoever is connected, and let nobody through for the time of the context."""
        with self._lock:
            self._is_broken = True
            self._cut()
        try:
            yield
        finally:
            self._is_broken = False

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._cut()

    def _cut(self) -> None:
        for each in self._lines:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def breakable(to: int) -> Iterator[BreakableLine]:
    """Run a line to the port `to`."""
    line = BreakableLine(to)
    threading.Thread(target=line.serve, daemon=True).start()
    try:
        yield line
    finally:
        line.close()
