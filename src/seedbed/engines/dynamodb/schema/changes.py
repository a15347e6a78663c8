"""The differences between two shapes of a database's tables, as messages, by stack update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seedbed.engines.dynamodb.schema.schedule import ChangeKind, ScheduledChange, schedule
from seedbed.engines.dynamodb.schema.shape import TableShape, TableShapes
from seedbed.model.deployment import Change
from seedbed.model.migration import Phase


def changes(current: TableShapes, wanted: TableShapes, gate: Phase = Phase.CONTRACT) -> tuple[Change, ...]:
    """Return how a deployment through `gate` leads from `current` to `wanted`, what is refused first.

    Types of attributes that are in no key, and versions of items, are no infrastructure and not among them.
    """
    found = schedule(current, wanted, gate)
    return (*found.refused, *(described(change, current, wanted) for change in found.changes))


def described(change: ScheduledChange, current: TableShapes, wanted: TableShapes) -> Change:
    """Return `change` with its message."""
    message = _MESSAGES[change.kind](change, current, wanted)
    return Change(change.kind.phase, f"{change.table}: {message}", change.update)


def _add_table(change: ScheduledChange, _: TableShapes, wanted: TableShapes) -> str:
    table = _table(change, wanted)
    indexes = [each.name for each in (*table.global_indexes, *table.local_indexes)]
    word = "index" if len(indexes) == 1 else "indexes"
    return "add the table" + (f", with {word} {', '.join(indexes)}" if indexes else "")


def _remove_table(change: ScheduledChange, current: TableShapes, wanted: TableShapes) -> str:
    gone = _table(change, current)
    alike = [
        each.name
        for each in wanted.tables
        if current.table(each.name) is None and (each.key, each.key_types) == (gone.key, gone.key_types)
    ]
    message = "remove the table, and the items in it"
    return f"{message}; {alike[0]} is a new table, nothing is moved to it" if alike else message


_MESSAGES: dict[ChangeKind, Callable[[ScheduledChange, TableShapes, TableShapes], Any]] = {
    ChangeKind.ADD_TABLE: _add_table,
    ChangeKind.ADD_INDEX: lambda change, _, __: f"add index {change.index}",
    ChangeKind.ADD_STREAM: lambda change, _, wanted: f"begin a stream of {_table(change, wanted).stream}",
    ChangeKind.ADD_TTL: lambda change, _, wanted: f"let items expire by {_table(change, wanted).ttl}",
    ChangeKind.REMOVE_TABLE: _remove_table,
    ChangeKind.REMOVE_INDEX: lambda change, _, __: f"remove index {change.index}",
    ChangeKind.REMOVE_STREAM: lambda change, current, _: (
        f"end the stream of {_table(change, current).stream}"
    ),
    ChangeKind.REMOVE_TTL: lambda change, current, _: (
        f"no longer let items expire by {_table(change, current).ttl}"
    ),
}


def _table(change: ScheduledChange, tables: TableShapes) -> TableShape:
    found = tables.table(change.table)
    assert found is not None
    return found
