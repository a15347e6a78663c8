"""One-line summaries of statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from seedbed.engines.postgres.files.grammar import ParsedStatement
from seedbed.engines.postgres.files.quoting import quoted_name
from seedbed.engines.postgres.files.trees import Tree, is_concurrent, names_of, strings_of
from seedbed.support.phrases import one_line

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_EXCERPT = re.compile(r"""[^'"$(;]*""")  # no literal: it may be a secret
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_PERSISTENCE = {"t": "TEMPORARY ", "u": "UNLOGGED "}


class _Relation(msgspec.Struct):
    relname: str = ""
    schemaname: str = ""


class _Change(msgspec.Struct):
    relation: _Relation


_CHANGE = msgspec.json.Decoder(_Change)  # of a statement over rows only this is read: the rest may be huge
_CHANGES = {
    "InsertStmt": "INSERT INTO",
    "UpdateStmt": "UPDATE",
    "DeleteStmt": "DELETE FROM",
    "MergeStmt": "MERGE INTO",
}
_WORDS = {"SelectStmt": "SELECT", "DoStmt": "DO"}


def summary(descriptions: Sequence[str], count: int) -> str:
    """Return one line about `count` statements; `descriptions` are of the first of them, as many as fit into it."""
    line = ", ".join(descriptions)
    return one_line(f"{count} statements: {line}" if count > 1 else line)


def describe(statement: ParsedStatement, sql: bytes) -> str:
    """Return the command of `statement` and what it acts on."""
    kind = statement.kind
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _CHANGES:
        relation = statement.read(_CHANGE).relation
        return f"{_CHANGES[kind]} {_shown(relation.schemaname, relation.relname)}"
    name = _DESCRIBED.get(kind)
    return name(statement.node()) if name else _excerpt(sql[statement.start : statement.end])


def _excerpt(sql: bytes) -> str:
    """Return how a statement begins: its first words, up to the first literal or quoted name."""
    text = _COMMENTS.sub(" ", sql[:400].decode(errors="replace"))
    head = _EXCERPT.match(text)
    return one_line(head[0] if head else "") or "statement"


def _shown(*names: str | None) -> str:
    """Return a name as people write it: in quotes only where it needs them."""
    return ".".join(name if _PLAIN.fullmatch(name) else quoted_name(name) for name in names if name)


def _relation(node: Tree | None) -> str:
    return _shown(*names_of(node)) if node else ""


def _words(constant: str, prefix: str) -> str:
    """Return a constant's words: OBJECT_FOREIGN_TABLE -> FOREIGN TABLE."""
    words = constant.removeprefix(prefix).replace("_", " ")
    return words.replace("MATVIEW", "MATERIALIZED VIEW").replace("TABCONSTRAINT", "CONSTRAINT")


def _create_table(node: Tree) -> str:
    return f"CREATE {_PERSISTENCE.get(node['relation']['relpersistence'], '')}TABLE {_relation(node['relation'])}"


def _create_table_as(node: Tree) -> str:
    return f"CREATE {_words(node['objtype'], 'OBJECT_')} {_relation(node['into']['rel'])}"


def _create_index(node: Tree) -> str:
    unique = "UNIQUE " if node.get("unique") else ""
    concurrently = "CONCURRENTLY " if node.get("concurrent") else ""
    name = f"{_shown(node['idxname'])} " if node.get("idxname") else ""
    return f"CREATE {unique}INDEX {concurrently}{name}ON {_relation(node['relation'])}"


def _alter_table(node: Tree) -> str:
    commands = [_alter_command(each["AlterTableCmd"]) for each in node.get("cmds", ())[:5]]
    return f"ALTER {_words(node['objtype'], 'OBJECT_')} {_relation(node['relation'])} {', '.join(commands)}"


def _alter_command(command: Tree) -> str:
    words = _CAMEL.sub(" ", command["subtype"].removeprefix("AT_")).upper()
    words = words.replace("COLUMN DEFAULT", "SET DEFAULT")
    return f"{words} {_shown(command.get('name') or _defined(command.get('def') or {}))}".rstrip()


def _defined(definition: Tree) -> str:
    """Return the name of what an ALTER TABLE command brings along."""
    for kind, name in (("ColumnDef", "colname"), ("Constraint", "conname")):
        if kind in definition:
            return str(definition[kind].get(name, ""))
    if "PartitionCmd" in definition:
        return str(definition["PartitionCmd"]["name"]["relname"])
    return ""


def _drop(node: Tree) -> str:
    what = _words(node["removeType"], "OBJECT_")
    concurrently = "CONCURRENTLY " if node.get("concurrent") else ""
    objects = [_object_names(each) for each in node["objects"][:5]]
    if what in {"TRIGGER", "RULE", "POLICY"}:
        return f"DROP {what} {_shown(objects[0][-1])} ON {_shown(*objects[0][:-1])}"
    return f"DROP {what} {concurrently}{', '.join(_shown(*each) for each in objects)}".rstrip()


def _object_names(node: Tree) -> list[str]:
    """Return the parts of an object's name, whichever way the grammar wraps it."""
    if "List" in node:
        return strings_of(node["List"]["items"])
    if "TypeName" in node:
        return strings_of(node["TypeName"]["names"])
    if "ObjectWithArgs" in node:
        return strings_of(node["ObjectWithArgs"]["objname"])
    return strings_of([node])


def _comment(node: Tree) -> str:
    what = _words(node["objtype"], "OBJECT_")
    return f"COMMENT ON {what} {_shown(*_object_names(node.get('object') or {}))}".rstrip()


def _rename(node: Tree) -> str:
    what = _words(node["renameType"], "OBJECT_")
    if node.get("subname") and "relation" in node:
        old = f"{_relation(node['relation'])} RENAME {what} {_shown(node['subname'])}"
        return f"ALTER {_words(node['relationType'], 'OBJECT_')} {old} TO {_shown(node['newname'])}"
    old = _relation(node.get("relation")) or _shown(*_object_names(node.get("object") or {}))
    return f"ALTER {what} {old or _shown(node.get('subname'))} RENAME TO {_shown(node['newname'])}"


def _create_function(node: Tree) -> str:
    what = "PROCEDURE" if node.get("is_procedure") else "FUNCTION"
    return f"CREATE {what} {_shown(*strings_of(node['funcname']))}"


def _create_trigger(node: Tree) -> str:
    return f"CREATE TRIGGER {_shown(node['trigname'])} ON {_relation(node['relation'])}"


def _reindex(node: Tree) -> str:
    what = _words(node["kind"], "REINDEX_OBJECT_")
    concurrently = "CONCURRENTLY " if is_concurrent(node) else ""
    return (
        f"REINDEX {what} {concurrently}{_relation(node.get('relation')) or _shown(node.get('name'))}".rstrip()
    )


def _vacuum(node: Tree) -> str:
    tables = [_relation(each["VacuumRelation"].get("relation")) for each in node.get("rels", ())]
    return f"{'VACUUM' if node.get('is_vacuumcmd') else 'ANALYZE'} {', '.join(tables)}".rstrip()


def _truncate(node: Tree) -> str:
    return f"TRUNCATE {', '.join(_relation(each['RangeVar']) for each in node['relations'][:5])}"


def _set(node: Tree) -> str:
    if node["kind"].startswith("VAR_RESET"):
        return f"RESET {node.get('name') or 'ALL'}"
    return f"SET {'LOCAL ' if node.get('is_local') else ''}{node.get('name', '')}".rstrip()


_DESCRIBED: dict[str, Callable[[Tree], str]] = {
    "AlterEnumStmt": lambda node: f"ALTER TYPE {_shown(*strings_of(node['typeName']))}",
    "AlterSeqStmt": lambda node: f"ALTER SEQUENCE {_relation(node['sequence'])}",
    "AlterTableStmt": _alter_table,
    "CallStmt": lambda node: f"CALL {_shown(*strings_of(node['funccall']['funcname']))}",
    "ClusterStmt": lambda node: f"CLUSTER {_relation(node.get('relation'))}".rstrip(),
    "CommentStmt": _comment,
    "CompositeTypeStmt": lambda node: f"CREATE TYPE {_relation(node['typevar'])}",
    "CreateDomainStmt": lambda node: f"CREATE DOMAIN {_shown(*strings_of(node['domainname']))}",
    "CreateEnumStmt": lambda node: f"CREATE TYPE {_shown(*strings_of(node['typeName']))}",
    "CreateExtensionStmt": lambda node: f"CREATE EXTENSION {_shown(node['extname'])}",
    "CreateFunctionStmt": _create_function,
    "CreatePolicyStmt": lambda node: (
        f"CREATE POLICY {_shown(node['policy_name'])} ON {_relation(node['table'])}"
    ),
    "CreateSchemaStmt": lambda node: f"CREATE SCHEMA {_shown(node.get('schemaname'))}".rstrip(),
    "CreateSeqStmt": lambda node: f"CREATE SEQUENCE {_relation(node['sequence'])}",
    "CreateStmt": _create_table,
    "CreateTableAsStmt": _create_table_as,
    "CreateTrigStmt": _create_trigger,
    "DropStmt": _drop,
    "IndexStmt": _create_index,
    "RefreshMatViewStmt": lambda node: f"REFRESH MATERIALIZED VIEW {_relation(node['relation'])}",
    "ReindexStmt": _reindex,
    "RenameStmt": _rename,
    "TruncateStmt": _truncate,
    "VacuumStmt": _vacuum,
    "VariableSetStmt": _set,
    "ViewStmt": lambda node: f"CREATE VIEW {_relation(node['view'])}",
}
