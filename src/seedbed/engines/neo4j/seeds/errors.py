"""Errors of the server about rows, as errors that name the seed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from seedbed.engines.neo4j.seeds.shape import NodeKey, RelationshipShape, Shape
from seedbed.engines.neo4j.seeds.table import RowChunk
from seedbed.engines.neo4j.wire.errors import CypherError
from seedbed.errors import Location, StepFailed

# Node(7) already exists with label `Tutor` and properties `name` = 'Ana', `born` = 1970
_VALUE = re.compile(r"`([^`]+)` = ('[^']*'|[^,'`]+)")


@contextmanager
def seed_errors(
    path: str, shape: Shape | None = None, chunk: RowChunk | None = None, *, line: int = 0
) -> Iterator[None]:
    """Translate what the server refuses into a failure of the seed `path`; transient errors pass.

    `line`: of the statement. Where rows are sent, the one that is meant is looked for in `chunk`.
    """
    try:
        yield
    except CypherError as error:
        if error.is_transient:
            raise
        at, because = Location(path, line), error.code
        if shape and chunk and (number := _row_meant(error.message, shape, chunk)) is not None:
            at = chunk.at(number)
        elif chunk and (first := chunk.lines[0]):
            because += f"; it is one of the rows from line {first} to {chunk.lines[-1]}"
        raise StepFailed(
            f"the seed failed: {error.message}",
            because=because,
            try_="fix the seed and run the same command again",
            at=at,
        ) from None


def _row_meant(message: str, shape: Shape, chunk: RowChunk) -> int | None:
    """Return the first row that has the values that the server names; None where it names none, or none has them."""
    named = {name: value.strip() for name, value in _VALUE.findall(message)}
    others = shape.others if isinstance(shape, RelationshipShape) else (*shape.key, *shape.others)
    columns = [(chunk.columns[each.at], named[each.name]) for each in others if each.name in named]
    if not columns or len(columns) < len(named):
        return None
    return next(
        (at for at in range(len(chunk)) if all(_shown(column[at]) == value for column, value in columns)),
        None,
    )


def _shown(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def missing_end(shape: RelationshipShape, chunk: RowChunk, number: int, place: NodeKey) -> StepFailed:
    """Return the error for a relationship one of whose nodes is not there."""
    return StepFailed(
        f"there is no {place.label} with {chunk.words(place.key, number)}",
        because=f"a {shape} is between nodes that are there already",
        try_="load its nodes before it: files go by the numbers before their names",
        at=chunk.at(number),
    )
