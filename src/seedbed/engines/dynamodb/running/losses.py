"""How many items reverts would remove, as far as their functions and the sizes of tables tell; nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from seedbed.engines.dynamodb.database import DynamoDatabase
from seedbed.engines.kit.python_source import own_nodes
from seedbed.model.migration import Direction, Migration, Work
from seedbed.model.plan import Certainty, Loss

_UNIT = "item"


def losses(database: DynamoDatabase, works: Sequence[Work]) -> list[Loss]:
    """Return what `works` would remove. Raises ServiceError."""
    return [loss for work in works for loss in _of(database, work.migration, work.direction)]


def _of(database: DynamoDatabase, migration: Migration, direction: Direction) -> Iterator[Loss]:
    for step in migration.steps(direction):
        function = _function(step.body, direction.value)
        table = migration.settings.get("table", "")
        if step.backfill is None:
            deleting = sum(map(_is_delete, ast.walk(function)))
            if deleting:
                yield Loss(migration.version, f"table {table}", None, unit=_UNIT)
        elif _may_delete(function):
            items = int(database.description(table).get("ItemCount") or 0)
            # it is told every six hours: none may be some by now
            yield Loss(migration.version, f"table {table}", items or None, Certainty.AT_MOST, _UNIT)


def _function(text: str, name: str) -> ast.FunctionDef:
    return next(
        each for each in ast.parse(text).body if isinstance(each, ast.FunctionDef) and each.name == name
    )


def _is_delete(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "delete"


def _may_delete(function: ast.FunctionDef) -> bool:
    """Return whether a function of items may return None, which deletes the item."""
    returned = [each.value for each in own_nodes(function.body) if isinstance(each, ast.Return)]
    return any(value is None or _may_be_none(value) for value in returned)


def _may_be_none(value: ast.expr) -> bool:
    if isinstance(value, ast.IfExp):
        return _may_be_none(value.body) or _may_be_none(value.orelse)
    return (isinstance(value, ast.Constant) and value.value is None) or (
        isinstance(value, ast.List) and not value.elts
    )
