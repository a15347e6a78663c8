"""Errors of the server about rows, as errors that name the seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seedbed.engines.neo4j.seeds.shape import NodeKey, RelationshipShape
from seedbed.engines.neo4j.seeds.table import RowChunk
from seedbed.engines.neo4j.wire.errors import CypherError
from seedbed.errors import Location, StepFailed


@contextmanager
def seed_errors(path: str) -> Iterator[None]:
    """Translate what the server refuses into a failure of the seed `path`; transient errors pass."""
    try:
        yield
    except CypherError as error:
        if error.is_transient:
            raise
        raise StepFailed(
            f"the seed failed: {error.message}",
            because=error.code,
            try_="fix the seed and run the same command again",
            at=Location(path),
        ) from None


def missing_end(shape: RelationshipShape, chunk: RowChunk, number: int, place: NodeKey) -> StepFailed:
    """Return the error for a relationship one of whose nodes is not there."""
    return StepFailed(
        f"there is no {place.label} with {chunk.words(place.key, number)}",
        because=f"a {shape} is between nodes that are there already",
        try_="load its nodes before it: files go by the numbers before their names",
        at=chunk.at(number),
    )
