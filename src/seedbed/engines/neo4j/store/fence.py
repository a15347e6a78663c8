"""Fencing off what other runs have open on the server.

Whoever takes the lease ends the transactions of other runs (their metadata names the run), raises the fence, which
waits for one that is being committed at this moment, and looks once more: what was begun before the fence was raised
has ended then, and what is begun after it finds another token there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from seedbed.engines.kit.clock import now
from seedbed.engines.neo4j.wire import queries
from seedbed.engines.neo4j.wire.errors import CypherError
from seedbed.errors import Busy, Refused, SeedbedError

if TYPE_CHECKING:
    from seedbed.engines.neo4j.graph import GraphTarget

_FENCE_SECONDS = 2.0  # that raising the fence waits, before other transactions are looked for again
_END_SECONDS = 60.0  # that a transaction may take to end after TERMINATE

Check = Callable[[], None]  # raises where the lease is gone


def fence_off(graph: GraphTarget, mark: str, token: int, *, check: Check | None = None) -> Iterator[str]:
    """Raise the fence to `token` and end every transaction of runs other than `mark`; yield in words what ended.

    Raises CypherError, ConnectionLost, Refused where we may not end them, and what `check` raises.
    """
    yield from _end_others(graph, mark, check)
    while not _raise_fence(graph, token):
        yield from _end_others(graph, mark, check)
    # One that began in between, and looked at the fence before it was raised.
    yield from _end_others(graph, mark, check)


def _raise_fence(graph: GraphTarget, token: int) -> bool:
    """Return whether the fence is at `token` or beyond."""
    try:
        rows = graph.client.run_once(
            queries.text("raise_fence"), {"token": token}, timeout=_FENCE_SECONDS
        ).rows
    except CypherError as error:
        if error.is_timeout or error.is_transient or error.is_ended:
            return False  # a transaction began after the last look
        raise
    return bool(rows)


def _end_others(graph: GraphTarget, mark: str, check: Check | None) -> Iterator[str]:
    server, until, named = graph.client, now() + _END_SECONDS, set[str]()
    while found := server.marked("others", {"mark": mark}):
        if check is not None:
            check()
        try:
            server.end([each["id"] for each in found])
        except CypherError as error:
            if "Security" in error.code:
                raise _may_not_end(graph, error) from None
            raise
        for each in found:
            if each["id"] not in named:
                named.add(each["id"])
                yield f"ended {each['id']} of {each['who']}, {each['milliseconds'] / 1000:.1f} s after it began"
        if now() > until:
            raise Busy(
                f"{found[0]['id']} of {found[0]['who']} does not end on {graph.target}",
                because=f"it was terminated {_END_SECONDS:.0f} s ago",
                try_="run the same command again; SHOW TRANSACTIONS shows what it does",
            )
        time.sleep(0.02)


def _may_not_end(graph: GraphTarget, error: CypherError) -> SeedbedError:
    return Refused(
        f"what another run left on {graph.target} cannot be ended",
        because=error.message,
        try_="run with its user, or GRANT TERMINATE TRANSACTION",
    )
