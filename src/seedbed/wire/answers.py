"""Answers read off a connection. What nearly every one looks like is read here, all else by `http.client`.

`http.client` spends some 60 µs on an answer, most of it in the parser for e-mail that reads its headers. That is as
much as all the rest of a small request costs, so a head of one plain kind is read by hand: HTTP/1.1, no header twice,
the body's length given. Chunks, interim answers, folded headers, bodies that end with the connection, HTTP/1.0, and
whatever is wrong are the standard library's.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from http.client import HTTPResponse

CHUNK = 1 << 16
LONGEST_HEAD = 1 << 16  # bytes


class Answer(NamedTuple):
    """Status, headers by their names in lower case, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Answers:
    """The answers on one connection, one after the other. `receive` returns b"" where the connection has ended."""

    def __init__(self, receive: Callable[[int], bytes], longest: int) -> None:
        """`longest`: bytes that a body may have."""
        self._receive = receive
        self._longest = longest
        self.left = b""  # what came after the last answer: nothing may
        self.has_heard = False  # any byte of an answer; whoever sends a request sets it back

    def next(self, method: str) -> tuple[Answer, bool]:
        """Return the answer to a request of `method`, and whether the connection ends with it.

        Raises EOFError where the connection ended first, ValueError for what is no answer, OSError.
        """
        data = self.left or self.more()
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > LONGEST_HEAD:
                raise ValueError("the head of the answer never ends")
            self.left = data
            data = self.left = data + self.more()
        plain = _plain(data[:end]) if method != "HEAD" else None
        if plain is None:
            self.left = data
            return self._other(method)
        status, headers, length = plain
        if length > self._longest:
            raise ValueError("the answer is too long")
        body, self.left = self._exactly(data[end + 4 :], length)
        return Answer(status, headers, body), headers.get("connection", "").lower() == "close"

    def more(self) -> bytes:
        """Return what comes next. Raises EOFError where nothing does."""
        part = self._receive(CHUNK)
        if not part:
            raise EOFError("the connection was closed")
        self.has_heard = True
        return part

    def _exactly(self, data: bytes, length: int) -> tuple[bytes, bytes]:
        """Return `length` bytes that begin with `data`, and what came after them."""
        if len(data) == length:
            return data, b""
        if len(data) < length:
            parts, missing = [data], length - len(data)
            while missing > 0:
                part = self.more()
                parts.append(part)
                missing -= len(part)
            data = b"".join(parts)
        return data[:length], data[length:]

    def _other(self, method: str) -> tuple[Answer, bool]:
        from http.client import HTTPException, HTTPResponse

        rest = _Rest(self._receive, self)
        source = _Source(rest)
        try:
            response = HTTPResponse(source, method=method)  # type: ignore[arg-type]  # of a socket, it wants makefile alone
            response.begin()
            while response.status < 200:
                response = HTTPResponse(source, method=method)  # type: ignore[arg-type]  # as above
                response.begin()
            body = self._body(response)
        except HTTPException as error:
            raise ValueError(f"the answer is not HTTP: {type(error).__name__} {error}".rstrip()) from None
        rest.is_over = True
        self.left = source.file.read() + self.left  # what was read ahead
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, headers, body), response.will_close

    def _body(self, response: HTTPResponse) -> bytes:
        if response.headers.defects:
            raise ValueError("the answer has a header without a colon")
        lengths = set(response.headers.get_all("content-length") or ())
        if len(lengths) > 1 or (response.length is None and lengths and not response.chunked):
            raise ValueError("the answer has no sane length")
        if (response.length or 0) > self._longest:
            raise ValueError("the answer is too long")
        body = response.read(self._longest + 1)
        if len(body) > self._longest:
            raise ValueError("the answer is too long")
        if response.length and not response.chunked and response.status not in {204, 304}:
            raise EOFError("the connection was closed")
        return body


class _Rest(io.RawIOBase):
    """What is left of an answer that has begun, and then what comes; nothing any more once it `is_over`."""

    def __init__(self, receive: Callable[[int], bytes], answers: Answers) -> None:
        self._receive_ = receive
        self._answers = answers
        self.is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's WriteableBuffer is not public
        if self.is_over:
            return 0
        data = self._answers.left or self._receive_(len(buffer))
        if data:
            self._answers.has_heard = True
        size = min(len(data), len(buffer))
        buffer[:size] = data[:size]
        self._answers.left = data[size:]
        return size


class _Source:
    """Stands where `HTTPResponse` expects a socket. Its file stays open, so that nothing read ahead is lost."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self.file = _File(raw, CHUNK)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return self.file


class _File(io.BufferedReader):
    def close(self) -> None:
        """Stay open."""


def _plain(head: bytes) -> tuple[int, dict[str, str], int] | None:
    """Return status, headers and length of a head of the usual kind; None for any other."""
    first, *lines = head.decode("latin-1").split("\r\n")
    digits = first[9:12]
    if (
        not first.startswith("HTTP/1.1 ")
        or len(digits) != 3
        or not digits.isdecimal()
        or first[12:13].strip()
    ):
        return None
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            return None
        headers[name.lower()] = value.strip()
    status, length = int(digits), headers.get("content-length", "")
    if len(headers) < len(lines) or not (length.isascii() and length.isdecimal()):
        return None
    if "transfer-encoding" in headers or status < 200 or status in {204, 304}:
        return None
    return status, headers, int(length)
