"""An HTTP server that costs next to nothing: what stays is the cost of its client.

Whoever runs it prints the port that it listens on, and ends with the standard input.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

Answer = Callable[[bytes, bytes], bytes]  # (head, body) -> the whole answer


def run(answer: Answer) -> None:
    """Serve until the standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_end_with_input, daemon=True).start()
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(connection, answer), daemon=True).start()


def digest(keys: list[Any]) -> str:
    """Return what two lists have in common only if they hold the same ones equally often."""
    return hashlib.sha256(repr(sorted(keys)).encode()).hexdigest()


def _serve(connection: socket.socket, answer: Answer) -> None:
    """Answer one connection's requests until it ends."""
    left = b""
    with connection:
        while True:
            while (end := left.find(b"\r\n\r\n")) < 0:
                if not (more := connection.recv(1 << 18)):
                    return
                left += more
            head, left = left[:end], left[end + 4 :]
            at = head.lower().find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            pieces, have = [left], len(left)
            while have < length:
                pieces.append(connection.recv(1 << 18))
                have += len(pieces[-1])
            received = b"".join(pieces)
            body, left = received[:length], received[length:]
            connection.sendall(answer(head, body))


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)
