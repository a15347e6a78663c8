"""The port of a server: one that is free, and the same as last time where that can be."""

from __future__ import annotations

import random
import socket
from pathlib import Path

PORTS = (10_240, 32_768)  # below those that Linux and macOS give to outgoing connections


def last_port(directory: Path) -> int:
    """Return the port that the server in `directory` listens or listened on; 0 if it never did."""
    try:
        return int((directory / "port").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def choose_port(directory: Path) -> int:
    """Return the port for the next start: the one of last time if it is free, so that applications find it again."""
    port = last_port(directory)
    return port if port and _is_free(port) else free_port()


def free_port() -> int:
    """Return a port that is free now, and that no outgoing connection takes until the server gets there."""
    while not _is_free(port := random.randrange(*PORTS)):
        pass
    return port


def save_port(directory: Path, port: int) -> None:
    """Save the port for `last_port`."""
    (directory / "port").write_text(str(port), encoding="ascii")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
