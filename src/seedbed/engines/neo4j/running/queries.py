"""Rows of queries that expectations ask, in a transaction in which the server refuses what would write."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import islice

from seedbed.engines.kit.rows import query_row, the_number, would_write
from seedbed.engines.neo4j.graph import GraphTarget
from seedbed.engines.neo4j.running.watched import watched
from seedbed.engines.neo4j.wire.errors import CypherError, translate_errors
from seedbed.model.verification import QueryRow

_WRITES = (
    "Statement.AccessMode",
    "Request.Invalid",
)  # of a query that writes; of one with transactions of its own


def rows(graph: GraphTarget, query: str, most: int) -> Sequence[QueryRow]:
    """Return the first `most` rows of `query`. Raises UsageError, StepFailed, Unreachable, Interrupted."""
    doing = f"reading the rows of a query of {graph.target}"
    with translate_errors(doing):
        try:
            with watched(graph, doing, only_reads=True) as transaction:
                return [query_row(each, each.values()) for each in islice(transaction.records(query), most)]
        except CypherError as error:
            if error.code.endswith(_WRITES):
                raise would_write(error.message) from None
            raise


def number(graph: GraphTarget, query: str) -> Decimal:
    """Return the one value of `query`. Raises as `rows` does."""
    return the_number(rows(graph, query, 2))
