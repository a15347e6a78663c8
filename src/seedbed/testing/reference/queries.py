"""Queries of the reference engine: `rows users visits 0`, or all rows of a table, `rows users`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from seedbed.engines.kit.rows import query_row, would_write
from seedbed.errors import StepFailed
from seedbed.model.verification import QueryRow

Ask = Callable[[str], dict[str, Any]]
_WRITES = {"put", "add", "set", "delete", "create", "drop", "increment"}


def rows(ask: Ask, query: str, most: int) -> Sequence[QueryRow]:
    """Return the first `most` rows of `query`. Raises UsageError, StepFailed."""
    return [
        query_row(sorted(each), [each[name] for name in sorted(each)]) for each in found(ask, query)[:most]
    ]


def found(ask: Ask, query: str) -> list[dict[str, Any]]:
    """Return all rows of `query`, as the server has them. Raises UsageError, StepFailed."""
    word, *names = query.split(None, 3)
    if word in _WRITES:
        raise would_write(f"it begins with {word}")
    if word != "rows" or len(names) not in {1, 3}:
        raise StepFailed("this is no query", because=query, try_="rows users visits 0")
    tables: dict[str, list[dict[str, Any]]] = ask("tables")["tables"]
    if names[0] not in tables:
        raise StepFailed(f"there is no table {names[0]}", because=f"{query} names it")
    return [each for each in tables[names[0]] if len(names) == 1 or str(each.get(names[1]) or 0) == names[2]]
