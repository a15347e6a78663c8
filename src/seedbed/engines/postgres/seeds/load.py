"""Loading a dataset: one transaction, rows upserted by key, what is there and equal left alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from seedbed.engines.kit.errors import history_changed
from seedbed.engines.postgres.seeds.errors import refused
from seedbed.engines.postgres.seeds.scripts import run_script
from seedbed.engines.postgres.seeds.tables import SeedTable, describe
from seedbed.engines.postgres.seeds.upsert import Upsert
from seedbed.engines.postgres.wire.messages import end_transaction, run
from seedbed.errors import Location, SeedbedError, collected
from seedbed.model.seed import (
    Dataset,
    Loaded,
    OnLoading,
    RowSource,
    Script,
    ignore_loading,
    is_empty,
    location,
)

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.errors import Diagnostic

ScriptCheck = Callable[[Script], None]

_KEY = re.compile(r"\((.+?)\)=\((.*?)\)")  # in all languages of the server
_SOUGHT = 1_000  # rows in memory while one is looked for


def load(
    connection: Connection[tuple[Any, ...]],
    dataset: Dataset,
    on_loading: OnLoading = ignore_loading,
    *,
    check: ScriptCheck | None = None,
    history: Callable[[], str] = str,
) -> Iterator[Loaded]:
    """Load all of `dataset` or nothing, and yield what each part changed once it is committed.

    The connection is in autocommit mode and holds the lease. Nothing is yielded before the commit, because an
    event counts as done. `history`: a digest of the history, the same before and after: scripts call functions, rows
    fire triggers, deferred ones too, and those may do anything. Raises StepFailed, SeedFileError, Interrupted,
    LeaseLost; OutcomeUnknown for a script
    that ended the transaction behind our back.
    """
    loaded: list[Loaded] = []
    part: RowSource | Script | None = None
    try:
        run(connection, "BEGIN; SET CONSTRAINTS ALL DEFERRED")  # rows may name rows of a later part
        before = history()
        described = _described(connection, dataset)
        for place, part in enumerate(dataset.parts):
            if isinstance(part, Script):
                if check:
                    check(part)
                loaded.append(run_script(connection, part))
            else:
                loaded.append(_load_rows(connection, part, described.get(place), on_loading))
        part = None
        # What is deferred happens before we look, and not after.
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        if history() != before:
            part = next((each for each in dataset.parts if isinstance(each, Script)), dataset.parts[0])
            raise history_changed(part.path)
        connection.execute("COMMIT")
    except psycopg.Error as error:
        raise refused(connection, error, _at_fault(dataset, error.diag, part)) from error
    finally:
        with suppress(SeedbedError):  # a lost connection rolled back by itself, and its error is on its way
            end_transaction(connection)
    yield from loaded


def _described(connection: Connection[tuple[Any, ...]], dataset: Dataset) -> Mapping[int, SeedTable]:
    """Return, by the place of a part, the tables of the rows before the first script, which may make the others.

    Raises StepFailed for all of them that do not fit.
    """
    rows: dict[int, RowSource] = {}
    for place, part in enumerate(dataset.parts):
        if isinstance(part, Script):
            break
        if not is_empty(part):
            rows[place] = part
    tables = collected(partial(describe, connection, each) for each in rows.values())
    return dict(zip(rows, tables, strict=True))


def _load_rows(
    connection: Connection[tuple[Any, ...]], source: RowSource, table: SeedTable | None, on_loading: OnLoading
) -> Loaded:
    if table is None and is_empty(source):
        return Loaded(source.path)
    return Upsert(connection, source, table or describe(connection, source)).load(on_loading)


def _at_fault(dataset: Dataset, diag: Diagnostic, part: RowSource | Script | None) -> Location:
    """Return what is at fault: the part in hand; at the commit the row that is named, of the last that wrote there."""
    if part is not None:
        return Location(part.path)
    parts = [each for each in dataset.parts if not isinstance(each, Script)]
    named = [each for each in parts if each.table.split(".")[-1] == diag.table_name]
    for each in reversed(named):
        if (number := _row_meant(each, diag.message_detail or "")) is not None:
            return location(each, number)
    return Location(named[-1].path if named else dataset.parts[-1].path)


def _row_meant(source: RowSource, detail: str) -> int | None:
    """Return the first row that has the key of `Key (team, number)=(a, 1) is …`; None where none has it as text."""
    found = _KEY.search(detail)
    if found is None:
        return None
    names, values = ([each.strip('"') for each in found[at].split(", ")] for at in (1, 2))
    if len(names) != len(values) or not set(names) <= set(source.columns):
        return None
    wanted = [(source.columns.index(name), value) for name, value in zip(names, values, strict=True)]
    for batch in source.batches(_SOUGHT):
        for at, row in enumerate(batch.rows):
            if all(str(row[column]) == value for column, value in wanted):
                return batch.first + at
    return None
