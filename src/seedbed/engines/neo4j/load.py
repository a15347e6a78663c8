"""Loading a dataset: reference data and fixtures in one transaction, volume in batches.

Rows are checked before the first is written, compared on the server, and only those that differ are written: what is
there and equal is left alone. Nodes are found by what a constraint makes unique, relationships by their two ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from seedbed.engines.neo4j.rows import statements
from seedbed.engines.neo4j.rows.keys import UNIQUE, resolved, unique_from
from seedbed.engines.neo4j.rows.problems import missing_end, refusals
from seedbed.engines.neo4j.rows.shape import Relationships
from seedbed.engines.neo4j.rows.table import BATCH, Chunk, Table, chosen, insist_on_keys, table_of
from seedbed.errors import Location, SeedFileError, StepFailed
from seedbed.model.seed import Dataset, Loaded, RowSource, Script, SeedKind, in_memory

if TYPE_CHECKING:
    from seedbed.engines.neo4j.connection import Ask
    from seedbed.engines.neo4j.guarded import Guarded
    from seedbed.engines.neo4j.parsing.split import Statement

Part = Table | Script


def load(lease: Guarded, dataset: Dataset) -> Iterator[Loaded]:
    """Load all of `dataset` or nothing, and tell what each part did once it is committed.

    Volume stays batch by batch: it is far more than one transaction holds. Raises SeedFileError, StepFailed with file
    and line, LeaseLost, Interrupted.
    """
    lease.prove()
    parts = _parts(lease, dataset.parts)
    if dataset.kind is SeedKind.VOLUME:
        from seedbed.engines.neo4j import bulk

        for part in parts:
            yield bulk.load(lease, part) if isinstance(part, Table) else _together(lease, [part])[0]
    elif parts:
        yield from _together(lease, parts)


def _together(lease: Guarded, parts: Sequence[Part]) -> list[Loaded]:
    """Load `parts` in one transaction."""

    def work(ask: Ask) -> list[Loaded]:
        return [_rows(ask, each) if isinstance(each, Table) else _script(ask, each) for each in parts]

    return lease.writing(work)


def _parts(lease: Guarded, parts: Sequence[RowSource | Script]) -> list[Part]:
    """Return `parts` checked, each table with its key. Raises SeedFileError, StepFailed."""
    found = [_checked(each) if isinstance(each, Script) else table_of(in_memory(each)) for each in parts]
    if not any(isinstance(each, Table) and len(each) for each in found):
        return found
    unique = unique_from(lease.reading(UNIQUE))
    ready: list[Part] = []
    for part in found:
        if isinstance(part, Table) and len(part):
            part = resolved(part, unique)  # noqa: PLW2901  from here on with its key
            insist_on_keys(part)
        ready.append(part)
    return ready


# Rows


def _rows(ask: Ask, table: Table) -> Loaded:
    inserted = updated = 0
    look, write = statements.look(table.shape), statements.write(table.shape)
    for first, chunk in table.chunks(BATCH):
        with refusals(table.rows.path):
            missing, differing = _to_do(ask, table, look, first, chunk)
            if todo := sorted((*missing, *differing)):
                met = ask(write, statements.parameters(chosen(chunk, todo))).rows[0]["met"]
                if met != len(todo):
                    raise _changing(table, first)
        inserted, updated = inserted + len(missing), updated + len(differing)
    return Loaded(table.rows.path, inserted, updated, len(table) - inserted - updated)


def _to_do(ask: Ask, table: Table, look: str, first: int, chunk: Chunk) -> tuple[list[int], list[int]]:
    """Return which rows of the chunk are missing and which differ. Raises StepFailed for one that cannot be there."""
    missing: list[int] = []
    differing: list[int] = []
    for each in ask(look, statements.parameters(chunk)).rows:
        if problem := _problem(table, first + each["i"], each):
            raise problem
        (differing if each["found"] else missing).append(each["i"])
    return missing, differing


def _problem(table: Table, number: int, record: Mapping[str, object]) -> StepFailed | None:
    """Return what is wrong with a row, as a record of `statements.look` says it."""
    shape = table.shape
    if not isinstance(shape, Relationships):
        return None
    for is_there, place in ((record["start"], shape.start), (record["end"], shape.end)):
        if not is_there:
            return missing_end(table, number, place)
    if record["found"] not in {0, 1}:
        return StepFailed(
            f"{record['found']} relationships are meant by one row",
            because=f"the two nodes have as many {shape.kind} between them"
            + (f" with {table.words(shape.own_key, number)}" if shape.own_key else ""),
            try_="name in key= the property that tells them apart",
            at=table.at(number),
        )
    return None


def _changing(table: Table, first: int) -> StepFailed:
    return StepFailed(
        f"nodes of {table.shape} went away while they were looked at",
        because="somebody else deletes them at the same time",
        try_="run the same command again",
        at=table.at(first),
    )


# Scripts


def _checked(script: Script) -> Script:
    """Return `script` if a transaction can hold all of it. Raises SeedFileError."""
    from seedbed.engines.neo4j.statements import Kind, kind, refusal

    for each in _statements(script):
        at = Location(script.path, each.line)
        if kind(each) is not Kind.DATA:
            raise SeedFileError(
                "a seed holds statements that change data",
                because="it is in one transaction with all other seeds of its kind",
                try_="constraints and indexes are made by migrations",
                at=at,
            )
        if found := refusal(each):
            what = found.what.replace("a migration", "a seed")
            raise SeedFileError(what, because=found.because, try_=found.try_, at=at)
    return script


def _statements(script: Script) -> Sequence[Statement]:
    from seedbed.engines.neo4j.parsing.lexer import Misread
    from seedbed.engines.neo4j.parsing.split import split

    text = script.source.data.decode("utf-8-sig")
    try:
        return split(text)
    except Misread as wrong:
        line = text.count("\n", 0, wrong.offset) + 1
        raise SeedFileError(
            wrong.what, because=wrong.because, try_=wrong.try_, at=Location(script.path, line)
        ) from None


def _script(ask: Ask, script: Script) -> Loaded:
    """Run a script; what its statements made counts as inserted, what the others changed as updated."""
    inserted = updated = 0
    for each in _statements(script):
        with refusals(script.path):
            counters = ask(each.text, {}).counters
        created = counters.get("nodes_created", 0) + counters.get("relationships_created", 0)
        inserted += created
        updated += _touched(counters) if not created else 0
    return Loaded(script.path, inserted, updated)


def _touched(counters: Mapping[str, int]) -> int:
    """Return how much a statement that made nothing has changed at least."""
    names = ("nodes_deleted", "relationships_deleted", "properties_set", "labels_added", "labels_removed")
    return sum(counters.get(each, 0) for each in names)
