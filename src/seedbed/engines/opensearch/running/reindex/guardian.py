"""A process that does nothing but wait for the death of its parent, and then lets writers in again.

Whoever closes an index for writers may be killed before it opens it again, and its lease is not free for seconds. So
before the block there is somebody else who can lift it: a child that holds one end of a pipe. It goes by its parent's
own aliases, so that it does nothing once another run has taken over, or once the aliases have moved.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import IO, Any

import msgspec

from seedbed.engines.opensearch.address import Address
from seedbed.engines.opensearch.running.reindex.passage import Passage, lift
from seedbed.engines.opensearch.wire.client import Client
from seedbed.errors import SeedbedError
from seedbed.model.secret import Secret
from seedbed.support.typed import ready

_DONE, _READY = b"d", b"r"
_PATIENCE = 5.0  # seconds


@contextmanager
def guarded(address: Address, passage: Passage) -> Iterator[None]:
    """Have somebody let writers in through `passage`, should this process die before the context ends."""
    child = _started(address, passage)
    try:
        yield
    finally:
        if child is not None:
            _dismissed(child)


def _started(address: Address, passage: Passage) -> subprocess.Popen[bytes] | None:
    """Start the child, and return it once it waits; None where this machine starts none: then there is the lease."""
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us
        )
    except OSError:
        return None
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        # By the pipe: what signs requests is to be seen in no list of processes.
        child.stdin.write(order(address, passage) + b"\n")
        child.stdin.flush()
        child.stdout.read(1)
    except OSError:
        _dismissed(child)
        return None
    return child


def _dismissed(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    with suppress(OSError):
        child.stdin.write(_DONE)
        child.stdin.close()
    try:
        child.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child.stdout.close()


class _Order(msgspec.Struct, frozen=True):
    """What the child is to know."""

    address: Address
    source: str
    target: str
    reader: str
    writer: str


def order(address: Address, passage: Passage) -> bytes:
    """Return what the child is told, as one line: for its pipe, and for nothing else."""

    def revealed(value: Any) -> str:
        assert isinstance(value, Secret)
        return value.reveal()

    told = _Order(address, passage.source, passage.target, passage.reader, passage.writer)
    return msgspec.json.encode(told, enc_hook=revealed)


def ordered(line: bytes) -> tuple[Address, Passage]:
    def hidden(_: type, value: Any) -> Secret:
        return Secret(str(value))

    told = msgspec.convert(msgspec.json.decode(line), ready(_Order), dec_hook=hidden)
    passage = Passage(told.source, told.target)
    passage.reader, passage.writer = told.reader, told.writer
    return told.address, passage


def let_in(client: Client, passage: Passage) -> Passage | None:
    """Lift the block of whoever works by `passage`, and return a passage in its place.

    None where that one is no more: aliases have moved, or another run has taken over. A block or a swap of the old
    passage that is on its way still arrives nowhere after this. Raises RequestFailed, Unreachable.
    """
    found = passage.replaced(client)
    if found is not None:
        lift(client, found.reader)
    return found


def _wait(told: IO[bytes], answers: IO[bytes]) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    address, passage = ordered(told.readline())
    with closing(Client(address, max_attempts=20)) as client:
        answers.write(_READY)
        answers.flush()
        if told.read(1) != _DONE:
            with suppress(SeedbedError):
                let_in(client, passage)


if __name__ == "__main__":
    _wait(sys.stdin.buffer, sys.stdout.buffer)
