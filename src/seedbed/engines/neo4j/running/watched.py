"""A transaction of one that only reads, which an interruption ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from seedbed.engines.kit.errors import interrupted
from seedbed.engines.neo4j.graph import GraphTarget
from seedbed.engines.neo4j.wire.client import KIND, MARK, NUMBER, WHO, Transaction
from seedbed.engines.neo4j.wire.errors import ConnectionLost, CypherError


@contextmanager
def watched(graph: GraphTarget, doing: str, *, only_reads: bool = False) -> Iterator[Transaction]:
    """Open a transaction that an interruption of `doing` ends, and roll it back in the end.

    `only_reads`: the server refuses what would write. Raises CypherError, ConnectionLost, Interrupted.
    """
    mark = f"verify-{uuid4().hex}"
    metadata = {MARK: mark, WHO: "verify", KIND: "work", NUMBER: mark}
    graph.client.watch(mark)
    try:
        require_not_interrupted(graph, doing)
        with graph.client.transaction(metadata, only_reads=only_reads) as transaction:
            yield transaction
    except (CypherError, ConnectionLost):
        require_not_interrupted(graph, doing)
        raise
    finally:
        graph.client.unwatch(mark)


def require_not_interrupted(graph: GraphTarget, doing: str) -> None:
    """Raise Interrupted if the session was."""
    if graph.client.is_interrupted:
        raise interrupted(doing) from None
