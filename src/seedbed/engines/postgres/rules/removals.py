"""What a statement removes, where its text shows it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from seedbed.engines.postgres.files.grammar import ParsedStatement, parse
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.files.trees import Tree, names_of, strings_of


class RemovalKind(StrEnum):
    SCHEMA = "schema"
    TABLE = "table"
    COLUMN = "column"
    ROWS = "rows"  # all of a table
    SOME_ROWS = "some rows"  # those of a table that a condition names
    TYPE = "type"  # and by CASCADE every column of it
    EXTENSION = "extension"  # and by CASCADE every column of its types
    UNKNOWN = "unknown"  # code, which only running it would tell


class Removal(Struct, frozen=True):
    """What a statement removes. `names` are bare, a schema first where there is one; `column` of that table.

    `cascades`: it empties every table that refers to this one, too.
    """

    kind: RemovalKind
    names: tuple[str, ...] = ()
    column: str = ""
    cascades: bool = False


_DROPPED = {
    "OBJECT_TABLE": RemovalKind.TABLE,
    "OBJECT_MATVIEW": RemovalKind.TABLE,
    "OBJECT_FOREIGN_TABLE": RemovalKind.TABLE,
}
# What holds no rows itself, while CASCADE takes along what does.
_DROPPED_BY_CASCADE = {
    "OBJECT_SCHEMA": RemovalKind.SCHEMA,
    "OBJECT_TYPE": RemovalKind.TYPE,
    "OBJECT_DOMAIN": RemovalKind.TYPE,
    "OBJECT_EXTENSION": RemovalKind.EXTENSION,
}


def removals(body: str) -> Iterator[Removal]:
    """Yield what the statements of `body` remove, in their order."""
    try:
        statements = parse(body.encode())
    except GrammarError:
        return
    for each in statements:
        yield from _of(each)


def _of(statement: ParsedStatement) -> Iterator[Removal]:
    match statement.kind:
        case "DropStmt":
            yield from _dropped(statement.node())
        case "AlterTableStmt":
            yield from _columns(statement.node())
        case "TruncateStmt":
            node = statement.node()
            cascades = node.get("behavior") == "DROP_CASCADE"
            for each in node["relations"]:
                yield Removal(RemovalKind.ROWS, tuple(names_of(each["RangeVar"])), cascades=cascades)
        case "DeleteStmt":
            node = statement.node()
            kind = (
                RemovalKind.SOME_ROWS
                if node.get("whereClause") or node.get("usingClause")
                else RemovalKind.ROWS
            )
            yield Removal(kind, tuple(names_of(node["relation"])))
        case "DoStmt" | "CallStmt":
            yield Removal(RemovalKind.UNKNOWN)
        case "SelectStmt" | "InsertStmt" | "UpdateStmt" | "MergeStmt":
            if b"DELETE" in bytes(statement.tree) or b"DeleteStmt" in bytes(statement.tree):
                yield from _deleted_inside({statement.kind: statement.node()})
        case _:
            return


def _deleted_inside(tree: object) -> Iterator[Removal]:
    """Yield what `WITH … AS (DELETE …)` and `MERGE … THEN DELETE` in `tree` remove."""
    if isinstance(tree, list):
        for each in tree:
            yield from _deleted_inside(each)
    if not isinstance(tree, dict):
        return
    for kind, node in tree.items():
        deletes = kind == "DeleteStmt" or (
            kind == "MergeStmt" and "CMD_DELETE" in str(node.get("mergeWhenClauses"))
        )
        if deletes:
            yield Removal(RemovalKind.SOME_ROWS, tuple(names_of(node["relation"])))
        yield from _deleted_inside(node)


def _dropped(node: Tree) -> Iterator[Removal]:
    removed = node["removeType"]
    kind = _DROPPED.get(removed)
    by_cascade = _DROPPED_BY_CASCADE.get(removed) if node.get("behavior") == "DROP_CASCADE" else None
    for each in node["objects"]:
        if kind:
            yield Removal(kind, tuple(strings_of(each["List"]["items"])[-2:]))
        elif by_cascade is RemovalKind.TYPE:
            yield Removal(by_cascade, tuple(strings_of(each["TypeName"]["names"])[-2:]))
        elif by_cascade:
            yield Removal(by_cascade, (each["String"]["sval"],))


def _columns(node: Tree) -> Iterator[Removal]:
    for each in node.get("cmds", ()):
        command = each["AlterTableCmd"]
        if command["subtype"] == "AT_DropColumn":
            yield Removal(RemovalKind.COLUMN, tuple(names_of(node["relation"])), command["name"])
