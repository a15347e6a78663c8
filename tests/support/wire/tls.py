"""A door with TLS before a server that has none: as another machine would answer, with a certificate."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

HERE = "127.0.0.1"
Serve = Callable[[ssl.SSLSocket], None]


@contextmanager
def secured(tls: ssl.SSLContext, serve: Serve) -> Iterator[int]:
    """Listen on a port of this machine, end TLS there, and have each connection `serve`d by a thread of its own."""
    with socket.create_server((HERE, 0)) as door:
        threading.Thread(target=_accept, args=(door, tls, serve), daemon=True).start()
        try:
            yield door.getsockname()[1]
        finally:
            with suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)


def to_port(port: int) -> Serve:
    """Return what hands everything on to a port of this machine, and back."""

    def serve(client: ssl.SSLSocket) -> None:
        with socket.create_connection((HERE, port)) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _pump(client, server)

    return serve


def _accept(door: socket.socket, tls: ssl.SSLContext, serve: Serve) -> None:
    with suppress(OSError):  # the door was closed
        while True:
            client, _ = door.accept()
            threading.Thread(target=_serve, args=(client, tls, serve), daemon=True).start()


def _serve(client: socket.socket, tls: ssl.SSLContext, serve: Serve) -> None:
    # Whoever refuses our certificate hangs up in the middle of the handshake.
    with suppress(OSError), client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with tls.wrap_socket(client, server_side=True) as line:
            serve(line)


def _pump(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Carry bytes both ways until one side hangs up; one thread, because OpenSSL takes one at a time."""
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for source in ready:
            part = source.recv(65536)
            if not part:
                return
            (server if source is client else client).sendall(part)
