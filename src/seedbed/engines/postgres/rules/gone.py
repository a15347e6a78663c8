"""What statements take away from those that use a database: objects, and names of objects."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.engines.postgres.files.grammar import ParsedStatement
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.files.placed import placed
from seedbed.engines.postgres.files.trees import Tree, names_of, strings_of
from seedbed.model.migration import Migration
from seedbed.model.usage import Removed

TABLE, VIEW, COLUMN, INDEX, ROWS = "table", "view", "column", "index", "rows"
CODE = "code in DO or CALL"
_OBJECTS = {
    "OBJECT_TABLE": TABLE,
    "OBJECT_MATVIEW": TABLE,  # it has scans, which are counted
    "OBJECT_FOREIGN_TABLE": VIEW,  # as with a view, statements alone tell of it
    "OBJECT_VIEW": VIEW,
    "OBJECT_INDEX": INDEX,
}
# What goes without anybody's reading: what enforces, documents, or gives rights.
_UNREAD = frozenset({"OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY", "OBJECT_EVENT_TRIGGER"})


def gone(migration: Migration) -> tuple[Removed, ...]:
    """Return what the up section of `migration` removes or renames, each once."""
    found: dict[Removed, None] = {}
    for step in migration.up:
        try:
            for statement, _ in placed(step):
                found |= dict.fromkeys(_of(statement))
        except GrammarError:
            continue  # a function over rows: it changes values, and takes no name away
    return tuple(found)


def _of(statement: ParsedStatement) -> Iterator[Removed]:
    match statement.kind:
        case "DropStmt":
            yield from _dropped(statement.node())
        case "AlterTableStmt":
            yield from _altered(statement.node())
        case "RenameStmt":
            yield from _renamed(statement.node())
        case "AlterObjectSchemaStmt":
            node = statement.node()
            if kind := _OBJECTS.get(node["objectType"]):
                yield Removed(kind, _path(node["relation"]))
        case "TruncateStmt":
            for each in statement.node()["relations"]:
                yield Removed(ROWS, _path(each["RangeVar"]))
        case "DeleteStmt":
            yield Removed(ROWS, _path(statement.node()["relation"]))
        case "DoStmt" | "CallStmt":
            yield Removed(CODE, ())
        case _:
            return


def _dropped(node: Tree) -> Iterator[Removed]:
    removed = node["removeType"]
    if removed in _UNREAD:
        return
    kind = _OBJECTS.get(removed, removed.removeprefix("OBJECT_").lower().replace("_", " "))
    for each in node["objects"]:
        yield Removed(kind, tuple(_names(each))[-2:])


def _names(item: Tree) -> list[str]:
    """Return the names of a dropped object, in whichever of its forms the grammar has it."""
    if "List" in item:
        return strings_of(item["List"]["items"])
    if "TypeName" in item:
        return strings_of(item["TypeName"]["names"])
    if "ObjectWithArgs" in item:
        return strings_of(item["ObjectWithArgs"]["objname"])
    return strings_of([item])


def _altered(node: Tree) -> Iterator[Removed]:
    for each in node.get("cmds", ()):
        command = each["AlterTableCmd"]
        if command["subtype"] == "AT_DropColumn":
            yield Removed(COLUMN, (*_path(node["relation"]), command["name"]))
        elif command["subtype"] == "AT_DropConstraint":
            yield Removed("constraint", (*_path(node["relation"]), command["name"]))


def _renamed(node: Tree) -> Iterator[Removed]:
    kind = node["renameType"]
    if kind in _OBJECTS:
        yield Removed(_OBJECTS[kind], _path(node["relation"]))
    elif kind == "OBJECT_COLUMN":
        yield Removed(COLUMN, (*_path(node["relation"]), node["subname"]))
    elif kind in {"OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_TYPE", "OBJECT_SCHEMA"}:
        named = tuple(_names(node["object"])) if "object" in node else (str(node.get("subname", "")),)
        yield Removed(kind.removeprefix("OBJECT_").lower(), named)


def _path(relation: Tree) -> tuple[str, ...]:
    return tuple(names_of(relation))[-2:]
