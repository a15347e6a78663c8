"""The room of a server that may be whoever we are, and the port that it had last time."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

from seedbed.servers import place as places
from seedbed.servers.identity import Identity

PORTS = (10_240, 32_768)  # below those that Linux and macOS give to outgoing connections


def ourselves() -> Identity:
    """Return the identity of a server that may be whoever we are."""
    return Identity("same", os.geteuid(), os.getegid())


def settled(home: Path, name: str) -> places.Place:
    """Return where the server that keeps its things in `name` of `home` lives or would live; makes nothing."""
    return places.settle(home, room=name, longest_socket="", identity=ourselves())


def furnished(home: Path, name: str) -> Path:
    """Return the directory of the server that keeps its things in `name` of `home`, made. Raises SandboxError."""
    return places.furnish(settled(home, name), name, ourselves())


def last_port(room: Path) -> int:
    """Return the port that the server in `room` listens or listened on; 0 if it never did."""
    try:
        return int((room / "port").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def choose_port(room: Path) -> int:
    """Return the port for the next start: the one of last time if it is free, so that applications find it again."""
    port = last_port(room)
    return port if port and _is_free(port) else free_port()


def free_port() -> int:
    """Return a port that is free now, and that no outgoing connection takes until the server gets there."""
    while not _is_free(port := random.randrange(*PORTS)):
        pass
    return port


def keep_port(room: Path, port: int) -> None:
    """Note the port for `last_port`."""
    (room / "port").write_text(str(port), encoding="ascii")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def name_of(database: str) -> str:
    """Return the room's name for a database id whose server is its alone: "ai/search" -> "ai.search"."""
    return "".join(each if each.isalnum() or each in "-_" else "." for each in database)
