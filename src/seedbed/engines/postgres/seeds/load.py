"""Loading a dataset: one transaction, rows upserted by key, what is there and equal left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg

from seedbed.engines.kit.errors import history_changed
from seedbed.engines.postgres.seeds.errors import refused
from seedbed.engines.postgres.seeds.scripts import run_script
from seedbed.engines.postgres.seeds.tables import describe
from seedbed.engines.postgres.seeds.upsert import Upsert
from seedbed.engines.postgres.wire.messages import end_transaction, run
from seedbed.errors import Location, SeedbedError
from seedbed.model.seed import Dataset, Loaded, OnLoading, RowSource, Script, ignore_loading, is_empty

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.errors import Diagnostic

ScriptCheck = Callable[[Script], None]


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
        for part in dataset.parts:
            if isinstance(part, Script):
                if check:
                    check(part)
                loaded.append(run_script(connection, part))
            else:
                loaded.append(_load_rows(connection, part, on_loading))
        part = None
        connection.execute(
            "SET CONSTRAINTS ALL IMMEDIATE"
        )  # what is deferred happens before we look, not after
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


def _load_rows(connection: Connection[tuple[Any, ...]], source: RowSource, on_loading: OnLoading) -> Loaded:
    if is_empty(source):
        return Loaded(source.path)
    return Upsert(connection, source, describe(connection, source)).load(on_loading)


def _at_fault(dataset: Dataset, diag: Diagnostic, part: RowSource | Script | None) -> Location:
    """Return the part at fault: the one in hand, or at the commit the last that wrote the table named."""
    if part is not None:
        return Location(part.path)
    parts = [each for each in dataset.parts if not isinstance(each, Script)]
    named = [each.path for each in parts if each.table.split(".")[-1] == diag.table_name]
    return Location(named[-1] if named else dataset.parts[-1].path)
