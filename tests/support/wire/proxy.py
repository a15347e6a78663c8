"""A real proxy, as a process of its own: ``python -m tests.support.wire.proxy [--login user:password] NAME=PORT …``.

It relays requests in absolute form and tunnels CONNECT. Names that only it knows lead to ports of this machine. The
first line that it prints is its port; each further one tells of a request that it let through or not.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[3]


@dataclass
class Proxy:
    """Where it listens, and what it was asked for so far: "200 CONNECT search.example:443"."""

    port: int
    login: str
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        login = f"{self.login}@" if self.login else ""
        return f"http://{login}127.0.0.1:{self.port}"

    @property
    def wrong_url(self) -> str:
        return f"http://ana:wrong@127.0.0.1:{self.port}"


@contextmanager
def proxy(names: Mapping[str, int], *, login: str = "") -> Iterator[Proxy]:
    """Run a proxy that knows `names` ("search.example:443") and the ports that they lead to."""
    places = [f"{name}={port}" for name, port in names.items()]
    words = [
        sys.executable,
        "-m",
        "tests.support.wire.proxy",
        *(["--login", login] if login else []),
        *places,
    ]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as child:
        assert child.stdout
        made = Proxy(int(child.stdout.readline()), login)
        listening = threading.Thread(
            target=lambda: made.asked.extend(line.strip() for line in child.stdout or ()), daemon=True
        )
        listening.start()
        try:
            yield made
        finally:
            child.terminate()
            child.wait(10)
            listening.join(10)


def main(arguments: Sequence[str]) -> None:
    login = arguments[1] if arguments[:1] == ["--login"] else ""
    places = dict(each.rsplit("=", 1) for each in arguments[2 if login else 0 :])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            line, _ = listener.accept()
            threading.Thread(target=serve, args=(line, places, login), daemon=True).start()


def serve(line: socket.socket, places: Mapping[str, str], login: str) -> None:
    with line, suppress(OSError, ValueError):
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := line.recv(65536)):
                return
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *headers = head.decode().split("\r\n")
        method, target, version = first.split()
        wanted = f"proxy-authorization: basic {b64encode(login.encode()).decode()}".lower()
        if login and wanted not in [each.lower() for each in headers]:
            refuse(line, 407, first)
            return
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        port = places.get(f"{parts.hostname}:{parts.port or 80}")
        if port is None:
            refuse(line, 403, first)
            return
        with socket.create_connection(("127.0.0.1", int(port))) as server:
            print("200", method, target, flush=True)
            if method == "CONNECT":
                line.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                server.sendall(rest)
            else:
                path = parts._replace(scheme="", netloc="").geturl() or "/"
                kept = [each for each in headers if not each.lower().startswith(("proxy-", "connection:"))]
                kept += ["Connection: close"]  # one request a connection: the next may lead to another server
                server.sendall("\r\n".join([f"{method} {path} {version}", *kept, "", ""]).encode() + rest)
            pump(line, server)


def refuse(line: socket.socket, status: int, first: str) -> None:
    print(status, *first.split()[:2], flush=True)
    line.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def pump(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side has ended."""
    back = threading.Thread(target=carry, args=(other, one), daemon=True)
    back.start()
    carry(one, other)
    back.join(30)


def at_once(*ends: socket.socket) -> None:
    """Have each part that is carried go out at once, as servers and drivers have it: else it may wait for 40 ms."""
    for each in ends:
        if each.family in {socket.AF_INET, socket.AF_INET6}:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        at_once(sink)
        while data := source.recv(65536):
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    main(sys.argv[1:])
