"""Volume: batches of rows in transactions of their own, written without a look at what is there.

A batch that was written before is written again the same, so a load that was interrupted may be run again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from seedbed.engines.kit.tally import Tally
from seedbed.engines.neo4j.seeds import statements
from seedbed.engines.neo4j.seeds.errors import missing_end, seed_errors
from seedbed.engines.neo4j.seeds.load import Part, load_together, parts_of
from seedbed.engines.neo4j.seeds.shape import NodeShape, RelationshipShape
from seedbed.engines.neo4j.seeds.table import BATCH, GraphTable, RowChunk
from seedbed.errors import StepFailed, raise_errors
from seedbed.model.seed import Dataset, Loaded, OnLoading, Script

if TYPE_CHECKING:
    from seedbed.engines.neo4j.store.fenced_writer import FencedWriter
    from seedbed.engines.neo4j.wire.client import RunQuery

_FIRST = 500  # rows of relationships whose nodes are looked for before anything is written

Ask = Callable[[str, Mapping[str, object]], Iterable[Mapping[str, Any]]]


def bulk_load(lease: FencedWriter, dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
    """Write all of `dataset` batch by batch, and yield the result of each part; scripts are transactions of their own.

    Every row is checked before the first is written. Raises SeedFileError, StepFailed with file and line, LeaseLost,
    Interrupted.
    """
    lease.check()
    parts = parts_of(lease, dataset)
    _require_ends(lease, parts)
    for part in parts:
        if isinstance(part, Script):
            yield from load_together(lease, [part], on_loading)
        else:
            yield load(lease, part, Tally(part.source.path, on_loading))


def _require_ends(lease: FencedWriter, parts: Sequence[Part]) -> None:
    """Raise StepFailed for relationships whose nodes no part makes and the graph lacks, of the first rows of each part.

    What a script makes is not known: parts behind one are left to the load.
    """
    made: set[str] = set()
    wrong: list[StepFailed] = []
    for part in parts:
        if isinstance(part, Script):
            break
        if isinstance(part.shape, NodeShape):
            made |= {part.shape.place.label, *part.shape.labels}
        elif (chunk := next(part.chunks(_FIRST), None)) and not made.issuperset(
            each.label for each in part.shape.places
        ):
            wrong += islice(_unmet_ends(lease.read, part.shape, chunk, made), 1)
    raise_errors(wrong)


def _unmet_ends(
    ask: Ask, shape: RelationshipShape, chunk: RowChunk, made: Collection[str] = ()
) -> Iterator[StepFailed]:
    """Yield the errors for rows of which the graph lacks a node, but for labels that are `made`."""
    for each in ask(statements.look(shape), statements.parameters(chunk)):
        for is_there, place in ((each["start"], shape.start), (each["end"], shape.end)):
            if not is_there and place.label not in made:
                yield missing_end(shape, chunk, each["i"], place)


def load(lease: FencedWriter, table: GraphTable, tally: Tally, *, batch: int = BATCH) -> Loaded:
    """Write all rows of `table`; those that were there already count as updated.

    Raises StepFailed with the line of a relationship whose nodes are not there, LeaseLost, Interrupted.
    """
    if table.is_empty:
        return tally.loaded
    write = statements.write(table.shape)
    created = "nodes_created" if isinstance(table.shape, NodeShape) else "relationships_created"
    for chunk in table.chunks(batch):

        def work(run: RunQuery, chunk: RowChunk = chunk) -> int:
            with seed_errors(table.source.path, table.shape, chunk):
                answer = run(write, statements.parameters(chunk))
                if answer.rows[0]["met"] != len(chunk):
                    raise _unmet(run, table, chunk)
            return answer.counters.get(created, 0)

        inserted = lease.write(work)
        tally.add(inserted=inserted, updated=len(chunk) - inserted)
    return tally.loaded


def _unmet(run: RunQuery, table: GraphTable, chunk: RowChunk) -> StepFailed:
    """Find the relationship that misses a node, or that is there more than once."""
    shape: Any = table.shape
    assert isinstance(shape, RelationshipShape)
    for error in _unmet_ends(lambda *query: run(*query).rows, shape, chunk):
        return error
    return StepFailed(
        f"relationships {shape} are there more than once",
        because="one row means one of them",
        try_="name in key= the property that distinguishes them",
        at=chunk.at(0),
    )
