"""What the server's refusal or silence means for who only reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from seedbed.engines.postgres.wire.messages import CANCELED, is_broken, was_canceled
from seedbed.errors import Interrupted, StepFailed, Unreachable

_DENIED = "42501"
_POLICY = "check_enable_rls"  # the function of the server that refuses to hide rows


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Say of the driver's errors that reading `what` failed. Raises StepFailed, Unreachable, Interrupted."""
    try:
        yield
    except psycopg.Error as error:
        found = error.diag.message_primary or str(error)
        if was_canceled(error):
            raise Interrupted(f"reading {what} was interrupted", because=found) from None
        if is_broken(error):
            raise Unreachable(f"reading {what} failed", because=found, try_="run it again") from None
        raise StepFailed(
            f"reading {what} failed: {found}",
            because=error.diag.message_detail or error.diag.message_hint or f"SQLSTATE {error.sqlstate}",
            try_=_try(error),
        ) from None


def _try(error: psycopg.Error) -> str:
    if error.diag.source_function == _POLICY:
        return "read with a login that the policies do not bind: the table's owner, or one with BYPASSRLS"
    if error.sqlstate == _DENIED:
        return "let the owner GRANT SELECT to the login that seedbed uses"
    return "raise statement_timeout for the login that seedbed uses" * (error.sqlstate == CANCELED)
