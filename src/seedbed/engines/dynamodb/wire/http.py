"""As much of HTTP/1.1 as a client needs that posts bytes and reads an answer: keep-alive, lengths, chunks, TLS.

No proxies, no redirects, no compression: the SDK's own environment for these is not looked at.
"""

from __future__ import annotations

import select
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

CHUNK = 1 << 16
_LONGEST_HEAD = 1 << 16  # bytes
_LONGEST_BODY = 1 << 26  # bytes; DynamoDB's longest answer has 16 MB


class Place(Struct, frozen=True):
    """What a URL says about where to connect. `authority` is the Host header; the default port is left out of it."""

    host: str
    port: int
    is_tls: bool
    authority: str
    path: str


class Answer(NamedTuple):
    """Status, headers by their names in lower case, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Broken(OSError):
    """The connection ended, or said what is no HTTP.

    `was_sent`: the whole request may have arrived. `has_answered`: some of an answer came.
    """

    def __init__(self, why: str, *, was_sent: bool, has_answered: bool) -> None:
        super().__init__(why)
        self.was_sent = was_sent
        self.has_answered = has_answered


def place(url: str) -> Place:
    """Return where `url` (checked already) leads."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    default = 443 if is_tls else 80
    host, port = parts.hostname or "", parts.port or default
    name = f"[{host}]" if ":" in host else host
    return Place(host, port, is_tls, name if port == default else f"{name}:{port}", parts.path or "/")


class Connection:
    """One connection, used by one thread at a time; `abort` may be called by any."""

    def __init__(self, where: Place, context: ssl.SSLContext | None, *, connect: float, read: float) -> None:
        """Connect. `connect`, `read`: seconds to wait at most, the second for each piece. Raises OSError."""
        raw = socket.create_connection((where.host, where.port), connect)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._socket = context.wrap_socket(raw, server_hostname=where.host) if context else raw
        except BaseException:
            raw.close()
            raise
        self._socket.settimeout(read)
        self._left = b""
        self._has_heard = False  # any byte of an answer to what was sent last
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self.is_open = True
        self.has_served = False

    def is_fresh(self) -> bool:
        """Return whether an idle connection still stands: it has nothing to say, and did not end."""
        return self.is_open and not self._left and not self._poll.poll(0)

    def post(self, head: bytes, body: bytes) -> Answer:
        """Send a request and return the answer. Raises Broken, after which the connection is closed."""
        was_sent = self._has_heard = False
        try:
            self._socket.sendall(head + body)
            was_sent = True
            answer = self._answer()
        except Broken:
            self.close()
            raise
        except (OSError, ValueError) as error:
            self.close()
            raise Broken(_words(error), was_sent=was_sent, has_answered=self._has_heard) from None
        except BaseException:  # Ctrl-C in the middle: what comes next would be the answer to this
            self.close()
            raise
        self.has_served = True
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def abort(self) -> None:
        """End whatever waits on this connection, from any thread."""
        self.is_open = False
        try:
            # Not the TLS socket's own, which forgets its cipher first: a thread that sends would go on in the clear.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except (OSError, ValueError):  # it is gone already
            return

    def close(self) -> None:
        self.is_open = False
        self._socket.close()

    def _answer(self) -> Answer:
        while True:
            head = self._head()
            status, headers = _parsed(head)
            if status >= 200:
                break
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks()
        elif (length := headers.get("content-length")) is not None:
            body = self._exactly(_length(length))
        else:  # the end of the body is the end of the connection
            headers["connection"] = "close"
            body = self._rest()
        return Answer(status, headers, body)

    def _head(self) -> bytes:
        """Return the head of an answer without its empty line; what came after it is left."""
        data = self._left or self._more()
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > _LONGEST_HEAD:
                raise ValueError("the head of the answer never ends")
            data = self._left = data + self._more()
        self._left = data[end + 4 :]
        return data[:end]

    def _exactly(self, length: int) -> bytes:
        """Return the next `length` bytes."""
        data = self._left
        if len(data) < length:
            parts, missing = [data], length - len(data)
            while missing > 0:
                part = self._more()
                parts.append(part)
                missing -= len(part)
            data = b"".join(parts)
        self._left = data[length:]
        return data[:length]

    def _line(self) -> bytes:
        while (end := self._left.find(b"\r\n")) < 0:
            if len(self._left) > _LONGEST_HEAD:
                raise ValueError("a line of the answer never ends")
            self._left += self._more()
        line, self._left = self._left[:end], self._left[end + 2 :]
        return line

    def _chunks(self) -> bytes:
        parts, total = [], 0
        while size := int(self._line().partition(b";")[0], 16):
            total += size
            if size < 0 or total > _LONGEST_BODY:
                raise ValueError("the answer is too long")
            parts.append(self._exactly(size))
            self._line()
        while self._line():  # trailers
            pass
        return b"".join(parts)

    def _rest(self) -> bytes:
        parts, total = [self._left], len(self._left)
        while part := self._socket.recv(CHUNK):
            total += len(part)
            if total > _LONGEST_BODY:
                raise ValueError("the answer is too long")
            parts.append(part)
        self._left = b""
        return b"".join(parts)

    def _more(self) -> bytes:
        part = self._socket.recv(CHUNK)
        if not part:
            raise Broken("the connection was closed", was_sent=True, has_answered=self._has_heard)
        self._has_heard = True
        return part


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    """Return status and headers. Raises ValueError."""
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1."):
        raise ValueError("the answer is no HTTP")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("the answer has a header without a colon")
        headers[name.lower()] = value.strip()
    return int(first[9:12]), headers


def _length(text: str) -> int:
    length = int(text)
    if not 0 <= length <= _LONGEST_BODY:
        raise ValueError("the answer has no sane length")
    return length


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer came in time"
    return str(error) or type(error).__name__
