"""A child process that removes the write block if its parent dies.

A run that has blocked writes may be killed before it removes the block, and its lease expires only seconds later. So a
child is started before the block; it holds one end of a pipe and waits for its end. It works through its parent's run
aliases: once another run has taken over, or the aliases have moved, it changes nothing.
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
from seedbed.engines.opensearch.running.reindex.run_aliases import RunAliases, unblock_writes
from seedbed.engines.opensearch.wire.client import Client
from seedbed.errors import SeedbedError
from seedbed.model.secret import Secret
from seedbed.support.typed import ready

_DONE, _READY = b"d", b"r"
_PATIENCE = 5.0  # seconds


@contextmanager
def watchdog(address: Address, run_aliases: RunAliases) -> Iterator[None]:
    """Remove the write block through `run_aliases` if this process dies inside the context."""
    child = _start(address, run_aliases)
    try:
        yield
    finally:
        if child is not None:
            _stop(child)


def _start(address: Address, run_aliases: RunAliases) -> subprocess.Popen[bytes] | None:
    """Start the child and return it once it waits; None if that fails: the next run removes the block then."""
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends the parent, not the child
        )
    except OSError:
        return None
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        # Through the pipe: credentials must not appear in the list of processes.
        child.stdin.write(encode_order(address, run_aliases) + b"\n")
        child.stdin.flush()
        child.stdout.read(1)
    except OSError:
        _stop(child)
        return None
    return child


def _stop(child: subprocess.Popen[bytes]) -> None:
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


class _WatchdogOrder(msgspec.Struct, frozen=True):
    """What the child needs to know."""

    address: Address
    source: str
    target: str
    reader: str
    writer: str


def encode_order(address: Address, run_aliases: RunAliases) -> bytes:
    """Return the order to the child as one line. It holds credentials: send it through the pipe only."""

    def reveal(value: Any) -> str:
        assert isinstance(value, Secret)
        return value.reveal()

    order = _WatchdogOrder(
        address, run_aliases.source, run_aliases.target, run_aliases.reader, run_aliases.writer
    )
    return msgspec.json.encode(order, enc_hook=reveal)


def decode_order(line: bytes) -> tuple[Address, RunAliases]:
    """Return the address and the aliases that `line` names."""

    def hide(_: type, value: Any) -> Secret:
        return Secret(str(value))

    order = msgspec.convert(msgspec.json.decode(line), ready(_WatchdogOrder), dec_hook=hide)
    run_aliases = RunAliases(order.source, order.target)
    run_aliases.reader, run_aliases.writer = order.reader, order.writer
    return order.address, run_aliases


def release_writers(client: Client, run_aliases: RunAliases) -> RunAliases | None:
    """Remove the write block and return new aliases in place of `run_aliases`.

    None if those are gone: the swap has happened, or another run has taken over. A block or a swap that was sent
    through the old aliases has no effect after this. Raises RequestFailed, Unreachable.
    """
    found = run_aliases.replace(client)
    if found is not None:
        unblock_writes(client, found.reader)
    return found


def _wait(orders: IO[bytes], answers: IO[bytes]) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    address, run_aliases = decode_order(orders.readline())
    with closing(Client(address, max_attempts=20)) as client:
        answers.write(_READY)
        answers.flush()
        if orders.read(1) != _DONE:
            with suppress(SeedbedError):
                release_writers(client, run_aliases)


if __name__ == "__main__":
    _wait(sys.stdin.buffer, sys.stdout.buffer)
