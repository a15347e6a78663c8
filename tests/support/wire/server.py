"""A server on a real socket that does with each connection what a test tells it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Handle = Callable[["Peer"], None]


@dataclass
class Peer:
    """The server's end of one connection; `number` counts from 1."""

    line: socket.socket
    number: int
    over: threading.Event
    left: bytes = b""

    def request(self) -> bytes:
        """Return the next request, head and body; b"" where the client has gone."""
        while b"\r\n\r\n" not in self.left:
            if not (more := self.line.recv(65536)):
                return b""
            self.left += more
        head, _, rest = self.left.partition(b"\r\n\r\n")
        lengths = [each for each in head.split(b"\r\n") if each.lower().startswith(b"content-length:")]
        length = int(lengths[0].partition(b":")[2]) if lengths else 0
        while len(rest) < length:
            rest += self.line.recv(65536)
        self.left = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def say(self, *pieces: bytes) -> None:
        for each in pieces:
            self.line.sendall(each)

    def hold(self) -> None:
        """Say nothing until the test is over."""
        self.over.wait(60)


@dataclass
class Server:
    """Where it listens, and the requests that `Peer.request` has read so far."""

    port: int
    over: threading.Event = field(default_factory=threading.Event)
    lines: list[socket.socket] = field(default_factory=list)

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}"


@contextmanager
def serving(handle: Handle, *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run `handle` in a thread for each connection, which is closed when it returns."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        server = Server(listener.getsockname()[1])
        accepting = threading.Thread(target=_accept, args=(listener, server, handle, tls), daemon=True)
        accepting.start()
        try:
            yield server
        finally:
            server.over.set()
            for each in (listener, *server.lines):
                with suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)
            accepting.join(10)


def _accept(listener: socket.socket, server: Server, handle: Handle, tls: ssl.SSLContext | None) -> None:
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        server.lines.append(line)
        number = len(server.lines)
        threading.Thread(target=_serve, args=(line, number, server, handle, tls), daemon=True).start()


def _serve(
    line: socket.socket, number: int, server: Server, handle: Handle, tls: ssl.SSLContext | None
) -> None:
    with suppress(OSError):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        used = tls.wrap_socket(line, server_side=True) if tls else line
        with used:
            handle(Peer(used, number, server.over))


def answer(body: bytes = b"{}", *, status: int = 200, headers: str = "") -> bytes:
    """Return an answer of the usual kind; `headers` are lines that end with CRLF."""
    return f"HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def always(said: bytes) -> Handle:
    """Return what answers every request with `said`, and hangs up where that is wanted."""

    def handle(peer: Peer) -> None:
        while request := peer.request():
            peer.say(said)
            if b"connection: close" in request.partition(b"\r\n\r\n")[0].lower():
                return

    return handle
