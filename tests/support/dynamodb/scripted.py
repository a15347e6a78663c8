"""A server that speaks HTTP and does what a test tells it: refuses, throttles, stalls, hangs up in the middle."""

from __future__ import annotations

import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from seedbed.aws.cloud import Cloud
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.model.secret import Secret

HANG_UP = b""  # as an answer: close the connection without a word


@dataclass(frozen=True)
class Request:
    """What arrived. `number` counts from 1 over all connections, `on` the requests of its connection."""

    number: int
    on: int
    operation: str
    headers: Mapping[str, str]
    body: Any


Script = Callable[[Request], bytes]


@dataclass
class Scripted:
    """A server at work, and all that it was sent."""

    port: int
    script: Script
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    held: threading.Event = field(default_factory=threading.Event)  # set when the test is over
    connections: list[socket.socket] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cloud(self, **more: Any) -> Cloud:
        given = {"access_key": "AKIDEXAMPLE", "secret_key": Secret("s3cr3t-s3cr3t"), **more}
        return Cloud(region="eu-central-1", account="111111111111", endpoint=self.endpoint, **given)

    def client(self, **more: Any) -> Client:
        return Client(self.cloud(), **{"read_timeout": 20.0, **more})

    def hold(self) -> bytes:
        """Answer nothing until the test is over."""
        self.held.wait(60)
        return HANG_UP


def answer(body: object = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """Return an answer with a JSON body, its checksum with it."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body if body is not None else {})
    every = {
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Length": str(len(content)),
        "x-amz-crc32": str(zlib.crc32(content)),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in every.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode() + content


def refusal(code: str, message: str = "because", *, status: int = 400, **more: Any) -> bytes:
    """Return a refusal as DynamoDB words it; `headers` may be among `more`."""
    headers = more.pop("headers", None)
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    return answer({"__type": kind, "message": message, **more}, status=status, headers=headers)


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    """Run a server that answers every request with what `script` returns for it."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        server = Scripted(listener.getsockname()[1], script)
        accepting = threading.Thread(target=_accept, args=(listener, server), daemon=True)
        accepting.start()
        yield server
        server.held.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        for each in server.connections:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        accepting.join(10)


def _accept(listener: socket.socket, server: Scripted) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        server.connections.append(connection)
        threading.Thread(target=_serve, args=(connection, server), daemon=True).start()


def _serve(connection: socket.socket, server: Scripted) -> None:
    left, on = b"", 0
    with connection, suppress(OSError):
        while True:
            while b"\r\n\r\n" not in left:
                if not (more := connection.recv(65536)):
                    return
                left += more
            head, _, left = left.partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
            headers = {name.lower(): value for name, _, value in lines}
            length = int(headers["content-length"])
            while len(left) < length:
                left += connection.recv(65536)
            body, left, on = msgspec.json.decode(left[:length]), left[length:], on + 1
            with server.lock:
                operation = headers["x-amz-target"].rpartition(".")[2]
                request = Request(len(server.requests) + 1, on, operation, headers, body)
                server.requests.append(request)
            said = server.script(request)
            if said:
                connection.sendall(said)
            if not said or b"connection: close" in said.lower():
                return
