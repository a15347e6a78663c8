"""A server that speaks HTTP and does what a test tells it: refuses, throttles, stalls, hangs up in the middle."""

from __future__ import annotations

import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import msgspec

from seedbed.aws.cloud import Cloud
from seedbed.engines.dynamodb.address import Address
from seedbed.engines.dynamodb.database import DynamoDatabase
from seedbed.engines.dynamodb.store.fenced_writer import FencedWriter
from seedbed.engines.dynamodb.store.lease_store import DynamoLeaseStore
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.kit.clock import now
from seedbed.engines.kit.lease import HeldLease
from seedbed.model.history import Owner
from seedbed.model.secret import Secret

NOWHERE = PurePath("nowhere")  # a directory without a tables.toml
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

    @contextmanager
    def database(self, directory: PurePath = NOWHERE) -> Iterator[DynamoDatabase]:
        """Yield the database `courses/dynamodb` on this server, in `dev-test`."""
        with self.client() as client:
            address = Address(self.cloud())
            yield DynamoDatabase("courses/dynamodb", address, client, "courses", "dev-test", directory)

    @contextmanager
    def lease(self, directory: PurePath = NOWHERE) -> Iterator[FencedWriter]:
        """Yield the right to write to that database, under a lease that was just taken."""
        with self.database(directory) as database:
            store = DynamoLeaseStore(database, database.client)
            held = HeldLease(store, Owner("1", "test"), 1, confirmed=now())
            yield FencedWriter(store, held, lambda migrations: {})

    def asked(self, operation: str) -> list[Any]:
        """Return the bodies of all requests of `operation`."""
        return [each.body for each in self.requests if each.operation == operation]

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


def in_turn(**answers: list[bytes]) -> Script:
    """Return a script that gives each operation its answers one after the other, and the last one ever after."""

    def script(request: Request) -> bytes:
        left = answers[request.operation]
        return left.pop(0) if len(left) > 1 else left[0]

    return script


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
