"""Loading a dataset: reference data and fixtures in one transaction.

Rows are checked before the first is written, compared on the server, and only those that differ are written: what is
there and equal is left alone. Nodes are found by what a constraint makes unique, relationships by their two ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from seedbed.engines.kit.errors import history_changed
from seedbed.engines.neo4j.seeds import statements
from seedbed.engines.neo4j.seeds.errors import missing_end, seed_errors
from seedbed.engines.neo4j.seeds.keys import UNIQUE, resolved, unique_from
from seedbed.engines.neo4j.seeds.scripts import run_script
from seedbed.engines.neo4j.seeds.shape import RelationshipShape, Shape
from seedbed.engines.neo4j.seeds.table import GraphTable, RowChunk, table_of
from seedbed.engines.neo4j.wire import queries
from seedbed.errors import StepFailed, collected
from seedbed.model.seed import Dataset, Loaded, Loading, OnLoading, RowSource, Script

if TYPE_CHECKING:
    from seedbed.engines.neo4j.store.fenced_writer import FencedWriter
    from seedbed.engines.neo4j.wire.client import RunQuery

Part = GraphTable | Script


def load(lease: FencedWriter, dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
    """Load all of `dataset` or nothing, and yield the result of each part once it is committed.

    Raises SeedFileError, StepFailed with file and line, LeaseLost, Interrupted.
    """
    lease.check()
    if parts := parts_of(lease, dataset):
        yield from load_together(lease, parts, on_loading)


def load_together(lease: FencedWriter, parts: Sequence[Part], on_loading: OnLoading) -> list[Loaded]:
    """Load `parts` in one transaction. Raises StepFailed where a script changes what is seedbed's own."""
    scripts = [each for each in parts if isinstance(each, Script)]

    def work(run: RunQuery) -> list[Loaded]:
        # A label may be made at run time, and a path lead to any node: what a script changes, only the graph knows.
        before = _own(run) if scripts else []
        loaded = [
            run_script(run, each) if isinstance(each, Script) else _load(run, each, on_loading)
            for each in parts
        ]
        if scripts and _own(run) != before:
            raise history_changed(scripts[0].path)
        return loaded

    def changes(loaded: Sequence[Loaded]) -> bool:
        return bool(scripts) or any(each.inserted or each.updated for each in loaded)

    return lease.write(work, changes=changes)


def _own(run: RunQuery) -> list[dict[str, Any]]:
    return run(queries.text("own"), {}).rows


def parts_of(lease: FencedWriter, dataset: Dataset) -> list[Part]:
    """Return the parts of `dataset`, each table with its key and all of its rows checked.

    Raises all that is wrong with them: SeedFileError, StepFailed.
    """
    found = collected(partial(_opened, each) for each in dataset.parts)
    if all(isinstance(each, Script) or each.is_empty for each in found):
        return found
    unique = unique_from(lease.read(UNIQUE))

    def ready(part: Part) -> Part:
        return part if isinstance(part, Script) or part.is_empty else resolved(part, unique).checked()

    return collected(partial(ready, part) for part in found)


def _opened(part: RowSource | Script) -> Part:
    return _checked(part) if isinstance(part, Script) else table_of(part)


def _checked(script: Script) -> Script:
    from seedbed.engines.neo4j.rules.seed_scripts import checked

    return checked(script)


def _load(run: RunQuery, table: GraphTable, on_loading: OnLoading) -> Loaded:
    path = table.source.path
    if table.is_empty:
        return Loaded(path)
    done = inserted = updated = 0
    look, write = statements.look(table.shape), statements.write(table.shape)
    for chunk in table.chunks():
        with seed_errors(path, table.shape, chunk):
            missing, differing = _to_do(run, table.shape, look, chunk)
            if todo := sorted((*missing, *differing)):
                met = run(write, statements.parameters(chunk.chosen(todo))).rows[0]["met"]
                if met != len(todo):
                    raise _changing(table.shape, chunk)
        done, inserted, updated = done + len(chunk), inserted + len(missing), updated + len(differing)
        on_loading(Loading(path, done))
    return Loaded(path, inserted, updated, done - inserted - updated)


def _to_do(run: RunQuery, shape: Shape, look: str, chunk: RowChunk) -> tuple[list[int], list[int]]:
    """Return which rows of the chunk are missing and which differ. Raises StepFailed for one that cannot be there."""
    missing: list[int] = []
    differing: list[int] = []
    for each in run(look, statements.parameters(chunk)).rows:
        if problem := _problem(shape, chunk, each["i"], each):
            raise problem
        (differing if each["found"] else missing).append(each["i"])
    return missing, differing


def _problem(shape: Shape, chunk: RowChunk, number: int, record: Mapping[str, object]) -> StepFailed | None:
    """Return the error for a row, from a record of `statements.look`; None where there is none."""
    if not isinstance(shape, RelationshipShape):
        return None
    for is_there, place in ((record["start"], shape.start), (record["end"], shape.end)):
        if not is_there:
            return missing_end(shape, chunk, number, place)
    if record["found"] not in {0, 1}:
        return StepFailed(
            f"{record['found']} relationships match one row",
            because=f"the two nodes have as many {shape.kind} between them"
            + (f" with {chunk.words(shape.own_key, number)}" if shape.own_key else ""),
            try_="name in key= the property that tells them apart",
            at=chunk.at(number),
        )
    return None


def _changing(shape: Shape, chunk: RowChunk) -> StepFailed:
    return StepFailed(
        f"nodes of {shape} were deleted during the load",
        because="another writer deletes them at the same time",
        try_="run the same command again",
        at=chunk.at(0),
    )
