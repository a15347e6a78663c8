"""Errors for seeds that the server rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from seedbed.engines.postgres.wire.messages import lost, was_canceled
from seedbed.errors import Interrupted, Location, SeedbedError, StepFailed

if TYPE_CHECKING:
    from psycopg import Connection


def refused(
    connection: Connection[tuple[Any, ...]], error: psycopg.Error, at: Location, what: str = ""
) -> SeedbedError:
    """Return the error for a seed that the server rejected."""
    diag = error.diag
    if connection.closed or diag.severity_nonlocalized in {"FATAL", "PANIC"}:
        return lost(error)
    if was_canceled(error):
        return interrupted(at.path)
    message = diag.message_primary or " ".join(str(error).split())
    more = [diag.message_detail, diag.message_hint and f"hint: {diag.message_hint}"]
    because = "; ".join(each for each in ((message, *more) if what else more) if each)
    return StepFailed(
        what or f"the seed failed: {message}",
        because=because or f"SQLSTATE {error.sqlstate}",
        try_="fix the seed and run the same command again; nothing of the dataset stayed",
        at=at,
    )


def interrupted(path: str) -> Interrupted:
    """Return the error of a load that was asked to stop at the seed `path`."""
    return Interrupted(
        f"loading {path} was interrupted",
        because="it was asked to stop; nothing of the dataset stayed",
        try_="run the same command again",
    )


def is_same(one: psycopg.Error, other: psycopg.Error) -> bool:
    """Return whether two errors have the same state, message and detail."""
    return _key(one) == _key(other)


def _key(error: psycopg.Error) -> tuple[str | None, ...]:
    return error.sqlstate, error.diag.message_primary, error.diag.message_detail
