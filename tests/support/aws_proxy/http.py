"""HTTP/1.1 over blocking sockets: as much of it as AWS clients and servers use with each other."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

Headers = Mapping[str, str]  # names in lower case

_BODILESS = {204, 304}
_HOP = {"connection", "content-length", "transfer-encoding", "expect", "keep-alive"}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str  # path and query
    headers: Headers
    body: bytes = b""

    def with_body(self, body: bytes) -> Request:
        return replace(self, body=body)

    def encoded(self) -> bytes:
        return _encoded(f"{self.method} {self.target} HTTP/1.1", self.headers, self.body, len(self.body))


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Headers = field(default_factory=dict)
    body: bytes = b""
    length: int = -1  # what the header says of a body that is not there: the answer to HEAD

    def with_body(self, body: bytes) -> Response:
        """The same with another body, and without the checksum of the old one."""
        headers = {name: value for name, value in self.headers.items() if name != "x-amz-crc32"}
        return Response(self.status, headers, body)

    def encoded(self) -> bytes:
        length = self.length if self.length >= 0 else len(self.body)
        return _encoded(f"HTTP/1.1 {self.status} -", self.headers, self.body, length)


def _encoded(first: str, headers: Headers, body: bytes, length: int) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers.items() if name not in _HOP)]
    lines += [f"content-length: {length}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


class Closed(Exception):
    """The peer is gone."""


class Wire:
    """One connection, and what was read of it and not used yet."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(None)  # with one, Python would wait where MSG_DONTWAIT says not to
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self._buffer = bytearray()

    def request(self) -> Request:
        """Return the next request. Raises Closed."""
        first, headers = self._head()
        method, target, _ = first.split(" ", 2)
        if headers.get("expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(method, target, headers, self._body(headers))

    def response(self, method: str) -> Response:
        """Return the answer to a request by `method`. Raises Closed."""
        while True:
            first, headers = self._head()
            status = int(first.split(" ", 2)[1])
            if status >= 200:
                break
        if method == "HEAD" or status in _BODILESS:
            return Response(status, headers, b"", int(headers.get("content-length", "0")))
        if "content-length" not in headers and "transfer-encoding" not in headers:
            return Response(status, headers, self._rest())
        return Response(status, headers, self._body(headers))

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed from error

    def peer_is_gone(self) -> bool:
        """Return whether the peer closed; looks, reads nothing."""
        try:
            return not self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        self.socket.close()

    def abort(self) -> None:
        """End both directions at once, whoever waits in `recv`; the socket still has to be closed."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _head(self) -> tuple[str, dict[str, str]]:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            self._more()
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return first, headers

    def _body(self, headers: Headers) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        return self._take(int(headers.get("content-length", "0")))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._line().partition(b";")[0], 16):
            body += self._take(size)
            self._line()
        while self._line():
            pass  # trailers
        return body

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._more()
        return self._take(end + 2)[:-2]

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _rest(self) -> bytes:
        try:
            while True:
                self._more()
        except Closed:
            return self._take(len(self._buffer))

    def _more(self) -> None:
        try:
            data = self.socket.recv(65536)
        except OSError as error:
            raise Closed from error
        if not data:
            raise Closed
        self._buffer += data
