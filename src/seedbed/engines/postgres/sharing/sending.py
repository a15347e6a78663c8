"""Sending what is done on a shared server, and what its errors mean there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.messages import ServerError, run, translate_errors
from seedbed.errors import LeaseLost, Unreachable

if TYPE_CHECKING:
    from seedbed.engines.postgres.wire.messages import Connection

_COLLIDED = (
    "XX000"  # two statements changed one row of a catalogue that all databases share: "concurrently updated"
)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Say what an error of the server's means for who does `what`. Raises Unreachable, StepFailed."""
    try:
        with translate_errors(what):
            yield
    except LeaseLost as error:
        raise Unreachable(
            f"{what} stopped halfway: the connection broke",
            because=error.because,
            try_="run it again: it goes on",
        ) from None


def send_whole(connection: Connection, statements: Sequence[str]) -> None:
    """Send `statements` as one transaction, and again where another one changed a row of a catalogue meanwhile."""
    for attempt in range(5):
        try:
            run(connection, "; ".join(["BEGIN", OWN_PATH, *statements, "COMMIT"]))
            return
        except ServerError as error:
            collided = error.sqlstate == _COLLIDED and "concurrently" in str(error)
            if attempt == 4 or not (collided or error.is_transient):
                raise
        time.sleep(0.1 * 2**attempt)
