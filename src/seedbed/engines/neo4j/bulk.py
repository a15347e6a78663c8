"""Volume: batches of rows in transactions of their own, written without a look at what is there.

A batch that was written before is written again the same, so a load that was interrupted may be run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedbed.engines.neo4j.rows import statements
from seedbed.engines.neo4j.rows.problems import missing_end, refusals
from seedbed.engines.neo4j.rows.shape import Nodes, Relationships
from seedbed.engines.neo4j.rows.table import BATCH, Chunk, Table
from seedbed.errors import StepFailed
from seedbed.model.seed import Loaded

if TYPE_CHECKING:
    from seedbed.engines.neo4j.connection import Ask
    from seedbed.engines.neo4j.guarded import Guarded


def load(lease: Guarded, table: Table, *, batch: int = BATCH) -> Loaded:
    """Write all rows of `table`; those that were there already count as updated.

    Raises StepFailed with the line of a relationship whose nodes are not there, LeaseLost, Interrupted.
    """
    if not len(table):
        return Loaded(table.rows.path)
    write = statements.write(table.shape)
    created = "nodes_created" if isinstance(table.shape, Nodes) else "relationships_created"
    inserted = 0
    for first, chunk in table.chunks(batch):

        def work(ask: Ask, first: int = first, chunk: Chunk = chunk) -> int:
            parameters = statements.parameters(chunk)
            with refusals(table.rows.path):
                answer = ask(write, parameters)
                if answer.rows[0]["met"] != parameters["count"]:
                    raise _unmet(ask, table, first, chunk)
            return answer.counters.get(created, 0)

        inserted += lease.writing(work)
    return Loaded(table.rows.path, inserted, len(table) - inserted)


def _unmet(ask: Ask, table: Table, first: int, chunk: Chunk) -> StepFailed:
    """Find the relationship that misses a node, or that is there more than once."""
    shape: Any = table.shape
    assert isinstance(shape, Relationships)
    for each in ask(statements.look(shape), statements.parameters(chunk)).rows:
        for is_there, place in ((each["start"], shape.start), (each["end"], shape.end)):
            if not is_there:
                return missing_end(table, first + each["i"], place)
    return StepFailed(
        f"relationships {shape} are there more than once",
        because="one row means one of them",
        try_="name in key= the property that tells them apart",
        at=table.at(first),
    )
