"""What is different between two shapes of a database's tables, in words and by updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seedbed.engines.dynamodb.schema.schedule import Kind, Step, schedule
from seedbed.engines.dynamodb.schema.shape import Table, Tables
from seedbed.model.deployment import Change
from seedbed.model.migration import Phase


def changes(current: Tables, wanted: Tables, gate: Phase = Phase.CONTRACT) -> tuple[Change, ...]:
    """Return how a deployment through `gate` leads from `current` to `wanted`, what is refused first.

    Types of attributes that are in no key, and versions of items, are no infrastructure and not among them.
    """
    found = schedule(current, wanted, gate)
    return (*found.refused, *(change(each, current, wanted) for each in found.steps))


def change(step: Step, current: Tables, wanted: Tables) -> Change:
    """Return `step` in words."""
    words = _WORDS[step.kind](step, current, wanted)
    return Change(step.kind.phase, f"{step.table}: {words}", step.update)


def _add_table(step: Step, _: Tables, wanted: Tables) -> str:
    table = _table(step, wanted)
    indexes = [each.name for each in (*table.global_indexes, *table.local_indexes)]
    word = "index" if len(indexes) == 1 else "indexes"
    return "add the table" + (f", with {word} {', '.join(indexes)}" if indexes else "")


def _remove_table(step: Step, current: Tables, wanted: Tables) -> str:
    gone = _table(step, current)
    alike = [
        each.name
        for each in wanted.tables
        if current.table(each.name) is None and (each.key, each.key_types) == (gone.key, gone.key_types)
    ]
    words = "remove the table, and the items in it"
    return f"{words}; {alike[0]} is a new table, nothing is moved to it" if alike else words


_WORDS: dict[Kind, Callable[[Step, Tables, Tables], Any]] = {
    Kind.ADD_TABLE: _add_table,
    Kind.ADD_INDEX: lambda step, _, __: f"add index {step.index}",
    Kind.ADD_STREAM: lambda step, _, wanted: f"begin a stream of {_table(step, wanted).stream}",
    Kind.ADD_TTL: lambda step, _, wanted: f"let items expire by {_table(step, wanted).ttl}",
    Kind.REMOVE_TABLE: _remove_table,
    Kind.REMOVE_INDEX: lambda step, _, __: f"remove index {step.index}",
    Kind.REMOVE_STREAM: lambda step, current, _: f"end the stream of {_table(step, current).stream}",
    Kind.REMOVE_TTL: lambda step, current, _: f"no longer let items expire by {_table(step, current).ttl}",
}


def _table(step: Step, tables: Tables) -> Table:
    found = tables.table(step.table)
    assert found is not None
    return found
