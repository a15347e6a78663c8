"""What goes through a proxy as it is said: requests and answers of HTTP/1.1, whose heads are not taken to pieces.

To do that, and to connect anew for each request, was most of what a test of a contract took that has a proxy between.
"""

from __future__ import annotations

import re
import select
import socket
from io import BufferedIOBase


def head_of(stream: BufferedIOBase) -> bytes:
    """Return the lines up to the first empty one, that one too; nothing where the other side has hung up."""
    head = b""
    while line := stream.readline():
        head += line
        if line == b"\r\n":
            return head
    return b""


def field_of(head: bytes, name: bytes) -> str:
    """Return what a head says under `name`; nothing where it does not have it."""
    found = re.search(rb"(?im)^%s:[ \t]*([^\r\n]*)" % name, head)
    return found[1].decode() if found else ""


def body_of(head: bytes, stream: BufferedIOBase) -> bytes:
    """Return what follows `head` on its line."""
    return stream.read(int(field_of(head, b"content-length") or 0))


def answered(behind: socket.socket, method: str = "POST") -> bytes:
    """Return the server's whole answer to a request by `method`, as it is."""
    with behind.makefile("rb") as stream:
        head = head_of(stream)
        return head if method == "HEAD" else head + body_of(head, stream)


def said(status: str, kind: str, body: bytes) -> bytes:
    """Return an answer of our own."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def has_hung_up(client: socket.socket) -> bool:
    if not select.select([client], [], [], 0)[0]:
        return False
    try:
        return not client.recv(1, socket.MSG_PEEK)
    except OSError:
        return True
