"""Fencing off what other runs have open on the server.

Whoever takes the lease ends the transactions of others (each says whose it is), raises the fence, which waits for one
that is being committed at this moment, and looks once more: what was begun before the fence was raised has ended
then, and what is begun after it finds another token there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from seedbed.engines.kit.clock import now
from seedbed.engines.neo4j.wire import queries
from seedbed.engines.neo4j.wire.messages import ServerError
from seedbed.errors import Busy, Refused, SeedbedError

if TYPE_CHECKING:
    from seedbed.engines.neo4j.place import Place

_FENCE_SECONDS = 2.0  # that raising the fence waits, before it is looked again who holds it
_END_SECONDS = 60.0  # that a transaction may take to end after it was told to

Check = Callable[[], None]  # raises where the lease is gone


def fence_off(place: Place, mark: str, token: int, *, check: Check | None = None) -> Iterator[str]:
    """Raise the fence to `token` and end every transaction of runs other than `mark`; yield in words what ended.

    Raises ServerError, Gone, Refused where we may not end them, and what `check` raises.
    """
    yield from _end_others(place, mark, check)
    while not _raise_fence(place, token):
        yield from _end_others(place, mark, check)
    # One that began in between, and looked at the fence before it was raised.
    yield from _end_others(place, mark, check)


def _raise_fence(place: Place, token: int) -> bool:
    """Return whether the fence is at `token` or beyond."""
    try:
        rows = place.server.tell(queries.text("raise_fence"), {"token": token}, timeout=_FENCE_SECONDS).rows
    except ServerError as error:
        if error.is_timeout or error.is_transient or error.is_ended:
            return False  # somebody began a transaction after we had looked
        raise
    return bool(rows)


def _end_others(place: Place, mark: str, check: Check | None) -> Iterator[str]:
    server, until, named = place.server, now() + _END_SECONDS, set[str]()
    while found := server.marked("others", {"mark": mark}):
        if check is not None:
            check()
        try:
            server.end([each["id"] for each in found])
        except ServerError as error:
            if "Security" in error.code:
                raise _may_not_end(place, error) from None
            raise
        for each in found:
            if each["id"] not in named:
                named.add(each["id"])
                yield f"ended {each['id']} of {each['who']}, {each['milliseconds'] / 1000:.1f} s after it began"
        if now() > until:
            raise Busy(
                f"{found[0]['id']} of {found[0]['who']} does not end on {place.target}",
                because=f"it was told to {_END_SECONDS:.0f} s ago",
                try_="run the same command again; SHOW TRANSACTIONS tells what it does",
            )
        time.sleep(0.02)


def _may_not_end(place: Place, error: ServerError) -> SeedbedError:
    return Refused(
        f"what another run left on {place.target} cannot be ended",
        because=error.message,
        try_="run with its user, or GRANT TERMINATE TRANSACTION",
    )
