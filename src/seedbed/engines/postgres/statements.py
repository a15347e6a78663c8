"""What a statement is: whether it goes into a transaction, what it leaves in the session, what it is called.

Everything here is read off the tree; nothing asks a server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum, StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from seedbed.engines.postgres.grammar import Parsed, parse

SUMMARY = 80  # characters at most

Tree = dict[str, Any]


class Block(Enum):
    """How a statement gets along with a transaction block."""

    INSIDE = "runs in one"
    OUTSIDE = "PostgreSQL refuses it there"
    EITHER = "what it meets at run time decides; outside, it may commit by itself"


class EffectKind(StrEnum):
    CREATE_INDEX = "create_index"
    DROP_INDEX = "drop_index"
    REINDEX_INDEX = "reindex_index"
    REINDEX_TABLE = "reindex_table"
    DETACH_PARTITION = "detach_partition"


class Effect(Struct, frozen=True):
    """What a statement outside of any transaction does, where the catalogue can prove it.

    `schema` and `name` are bare: of the index, of the table that is rebuilt, of the parent that is detached
    from. An index lives in the schema of its table. `table` and `partition` are quoted as SQL wants them.
    """

    kind: EffectKind
    schema: str | None
    name: str
    table: str | None = None
    partition: str | None = None
    if_exists: bool = False
    if_not_exists: bool = False


class Refusal(Struct, frozen=True):
    """Why a statement has no place in a migration."""

    what: str
    because: str
    try_: str = ""


# ---------------------------------------------------------------------------------------------------------
# Transactions
# ---------------------------------------------------------------------------------------------------------

_OUTSIDE = {"CreatedbStmt", "DropdbStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt", "AlterSystemStmt"}
_EITHER = {
    "CallStmt",  # may commit inside
    "DoStmt",  # may commit inside
    "DropSubscriptionStmt",  # refused while the subscription has a slot
}
_REFRESHING = {
    "ALTER_SUBSCRIPTION_SET_PUBLICATION",
    "ALTER_SUBSCRIPTION_ADD_PUBLICATION",
    "ALTER_SUBSCRIPTION_DROP_PUBLICATION",
}


def block(statement: Parsed) -> Block:
    """Return how `statement` gets along with a transaction block.

    Source: the callers of PreventInTransactionBlock in PostgreSQL 14 to 18.
    """
    kind = statement.kind
    if kind in _OUTSIDE:
        return Block.OUTSIDE
    if kind in _EITHER:
        return Block.EITHER
    decide = _BLOCKS.get(kind)
    return decide(statement.node()) if decide else Block.INSIDE


def _outside_if(condition: object) -> Block:
    return Block.OUTSIDE if condition else Block.INSIDE


def _block_of_alter_table(node: Tree) -> Block:
    return _outside_if(_detached(node))


def _block_of_vacuum(node: Tree) -> Block:
    return _outside_if(node.get("is_vacuumcmd"))  # otherwise it is ANALYZE


def _block_of_cluster(node: Tree) -> Block:
    return Block.EITHER if "relation" in node else Block.OUTSIDE  # a partitioned table is refused inside


def _block_of_reindex(node: Tree) -> Block:
    is_one = node.get("kind") in {"REINDEX_OBJECT_INDEX", "REINDEX_OBJECT_TABLE"}
    if not is_one or is_concurrent(node):
        return Block.OUTSIDE
    return Block.EITHER  # a partitioned one is refused inside


def _block_of_create_subscription(node: Tree) -> Block:
    options = _options(node.get("options"))
    return _outside_if(options.get("create_slot", True) and options.get("connect", True))


def _block_of_alter_subscription(node: Tree) -> Block:
    kind, options = node.get("kind"), _options(node.get("options"))
    if kind in _REFRESHING:
        return _outside_if(options.get("refresh", True))
    if kind == "ALTER_SUBSCRIPTION_OPTIONS":
        return _outside_if({"failover", "two_phase"} & options.keys())
    return _outside_if(str(kind).startswith("ALTER_SUBSCRIPTION_REFRESH"))


def _block_of_alter_database(node: Tree) -> Block:
    return _outside_if("tablespace" in _options(node.get("options")))


_BLOCKS: dict[str, Callable[[Tree], Block]] = {
    "IndexStmt": lambda node: _outside_if(node.get("concurrent")),
    "DropStmt": lambda node: _outside_if(node.get("concurrent")),
    "AlterTableStmt": _block_of_alter_table,
    "VacuumStmt": _block_of_vacuum,
    "ClusterStmt": _block_of_cluster,
    "ReindexStmt": _block_of_reindex,
    "CreateSubscriptionStmt": _block_of_create_subscription,
    "AlterSubscriptionStmt": _block_of_alter_subscription,
    "AlterDatabaseStmt": _block_of_alter_database,
}


def is_concurrent(node: Tree) -> bool:
    """Return whether the REINDEX that `node` is says CONCURRENTLY."""
    return _options(node.get("params")).get("concurrently", False)


def _options(given: Sequence[Tree] | None) -> dict[str, bool]:
    """Return a list of options as name -> whether it is on; one without a value is."""
    elements = [each["DefElem"] for each in given or ()]
    return {each["defname"]: _is_on(each.get("arg")) for each in elements}


def _is_on(argument: Tree | None) -> bool:
    """Read a boolean as defGetBoolean does; a zero is left out of the JSON."""
    if argument is None:
        return True
    if "Integer" in argument:
        return bool(argument["Integer"].get("ival", 0))
    if "Boolean" in argument:
        return bool(argument["Boolean"].get("boolval", False))
    # `off` is a word of the grammar's, which takes it for the name of a type
    said = _strings(argument["TypeName"]["names"])[-1:] if "TypeName" in argument else _strings([argument])
    return [each.lower() for each in said] not in (["false"], ["off"])


_MAY_COMMIT = re.compile(r"\b(commit|rollback|call|execute)\b", re.IGNORECASE)


def commits_inside(body: str) -> bool:
    """Return whether `body` may commit some of its work before it fails. Raises GrammarError.

    A CALL may; so may a DO whose text has one of the words that it takes, wherever they stand in it.
    """
    kinds = {each.kind for each in parse(body.encode(), ())}
    return "CallStmt" in kinds or ("DoStmt" in kinds and _MAY_COMMIT.search(body) is not None)


def sets_session(body: str) -> bool:
    """Return whether `body` is a SET or RESET that holds for the rest of its session. Raises GrammarError."""
    found = parse(body.encode(), ())
    return any(each.kind == "VariableSetStmt" and not each.node().get("is_local") for each in found)


# ---------------------------------------------------------------------------------------------------------
# What has no place in a migration
# ---------------------------------------------------------------------------------------------------------

_TRANSACTION = Refusal(
    "a migration does not control its own transaction",
    "its statements and the record of it commit together, or not at all",
    "leave it out; where a statement cannot run in a transaction: -- migrate:up transaction:false",
)
_COPY_IN = Refusal(
    "COPY … FROM STDIN has no data to read",
    "a migration is sent as statements, and lines of data cannot follow one",
    "INSERT INTO … VALUES, or a seed",
)
_COPY_OUT = Refusal(
    "COPY … TO STDOUT has nobody to write to", "a migration is sent as statements, and no data comes back"
)
_DISCARD = Refusal(
    "DISCARD ALL would give up the lease",
    "the lease is an advisory lock of this session, and DISCARD ALL releases those",
    "RESET what the migration has SET; nothing of it reaches the next one anyway",
)
_UNLOCK = Refusal(
    "pg_advisory_unlock_all() would give up the lease",
    "the lease is an advisory lock of this session",
    "unlock by key: pg_advisory_unlock(key)",
)
_UNNAMED = Refusal(
    "CREATE INDEX CONCURRENTLY needs a name here",
    "killed halfway it leaves an invalid index, which could not be told from anyone else's",
    "CREATE INDEX CONCURRENTLY table_column_idx ON …",
)
_REBUILT_AT_LARGE = Refusal(
    "REINDEX … CONCURRENTLY of everything at once",
    "killed halfway it leaves invalid indexes, which could not be told from anyone else's",
    "name the tables or indexes: REINDEX TABLE CONCURRENTLY …",
)
_UNLOCKS_ALL = re.compile(
    rb'"FuncCall":\{"funcname":\[(?:\{"String":\{"sval":"pg_catalog"\}\},)?'
    rb'\{"String":\{"sval":"pg_advisory_unlock_all"\}\}\]'
)


def refusal(statement: Parsed) -> Refusal | None:
    """Return why `statement` has no place in any migration, None where it has."""
    match statement.kind:
        case "TransactionStmt":
            return _TRANSACTION
        case "CopyStmt":
            return _refusal_of_copy(statement.node())
        case "DiscardStmt":
            return _DISCARD if statement.node().get("target") == "DISCARD_ALL" else None
        case "IndexStmt":
            node = statement.node()
            return _UNNAMED if node.get("concurrent") and not node.get("idxname") else None
        case "ReindexStmt":
            node = statement.node()
            return _REBUILT_AT_LARGE if is_concurrent(node) and "relation" not in node else None
        case "CreateFunctionStmt":
            return None
    return _UNLOCK if _UNLOCKS_ALL.search(statement.tree) else None


def _refusal_of_copy(node: Tree) -> Refusal | None:
    if node.get("filename"):
        return None
    return _COPY_IN if node.get("is_from") else _COPY_OUT


# ---------------------------------------------------------------------------------------------------------
# Sessions
# ---------------------------------------------------------------------------------------------------------

_QUIET = {
    "AlterEnumStmt",
    "AlterSeqStmt",
    "AlterTableStmt",
    "CommentStmt",
    "CompositeTypeStmt",
    "CreateDomainStmt",
    "CreateEnumStmt",
    "CreateFunctionStmt",
    "CreateSchemaStmt",
    "CreateSeqStmt",
    "CreateStmt",
    "CreateTrigStmt",
    "DropStmt",
    "GrantStmt",
    "IndexStmt",
    "RenameStmt",
    "ViewStmt",
}


_TEMPORARY = re.compile(rb'"relpersistence":"t"|"schemaname":"pg_temp"')


def may_change_session(statements: Sequence[Parsed]) -> bool:
    """Return whether the session could differ after `statements`, in settings or temporary tables.

    False only where that is certain.

    What event triggers do is not looked at.
    """
    return any(each.kind not in _QUIET or _calls(each) or _TEMPORARY.search(each.tree) for each in statements)


def _calls(statement: Parsed) -> bool:
    """Return whether `statement` evaluates a function now: filling a new column, or bounding a partition."""
    tree = bytes(statement.tree)
    is_evaluated = statement.kind == "AlterTableStmt" or b'"partbound"' in tree
    return is_evaluated and b'"FuncCall"' in tree


# ---------------------------------------------------------------------------------------------------------
# Effects
# ---------------------------------------------------------------------------------------------------------


def effect(body: str) -> Effect | None:
    """Return what the single statement `body` does outside of a transaction, None where no catalogue shows it.

    Raises GrammarError.
    """
    statements = parse(body.encode(), ())
    if len(statements) != 1:
        return None
    find = _EFFECTS.get(statements[0].kind)
    return find(statements[0].node()) if find else None


def _effect_of_index(node: Tree) -> Effect | None:
    name, table = node.get("idxname"), node["relation"]
    if not name or not node.get("concurrent"):
        return None
    return Effect(
        EffectKind.CREATE_INDEX,
        table.get("schemaname"),
        name,
        table=_quoted(*_names(table)),
        if_not_exists=node.get("if_not_exists", False),
    )


def _effect_of_drop(node: Tree) -> Effect | None:
    objects = node["objects"]
    if node["removeType"] != "OBJECT_INDEX" or not node.get("concurrent") or len(objects) != 1:
        return None
    names = _strings(objects[0]["List"]["items"])
    if len(names) > 2:
        return None
    schema = names[0] if len(names) == 2 else None
    return Effect(EffectKind.DROP_INDEX, schema, names[-1], if_exists=node.get("missing_ok", False))


def _effect_of_reindex(node: Tree) -> Effect | None:
    kinds = {
        "REINDEX_OBJECT_INDEX": EffectKind.REINDEX_INDEX,
        "REINDEX_OBJECT_TABLE": EffectKind.REINDEX_TABLE,
    }
    kind = kinds.get(node["kind"])
    if kind is None:
        return None
    return Effect(kind, node["relation"].get("schemaname"), node["relation"]["relname"])


def _effect_of_alter_table(node: Tree) -> Effect | None:
    partition = _detached(node)
    if partition is None:
        return None
    table = node["relation"]
    return Effect(
        EffectKind.DETACH_PARTITION,
        table.get("schemaname"),
        table["relname"],
        table=_quoted(*_names(table)),
        partition=_quoted(*_names(partition)),
        if_exists=node.get("missing_ok", False),
    )


def _detached(node: Tree) -> Tree | None:
    """Return the partition that an ALTER TABLE detaches CONCURRENTLY."""
    for each in node.get("cmds", ()):
        command = each["AlterTableCmd"]
        if command["subtype"] == "AT_DetachPartition" and command["def"]["PartitionCmd"].get("concurrent"):
            partition: Tree = command["def"]["PartitionCmd"]["name"]
            return partition
    return None


_EFFECTS: dict[str, Callable[[Tree], Effect | None]] = {
    "IndexStmt": _effect_of_index,
    "DropStmt": _effect_of_drop,
    "ReindexStmt": _effect_of_reindex,
    "AlterTableStmt": _effect_of_alter_table,
}


def _names(relation: Tree) -> list[str]:
    return [relation[each] for each in ("catalogname", "schemaname", "relname") if relation.get(each)]


def _strings(items: Sequence[Tree]) -> list[str]:
    return [each["String"].get("sval", "") for each in items if each and "String" in each]


def _quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


# ---------------------------------------------------------------------------------------------------------
# Summaries
# ---------------------------------------------------------------------------------------------------------

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


def summary(statements: Sequence[Parsed], sql: bytes) -> str:
    """Return one line of at most 80 characters about `statements` of `sql`."""
    said = []
    for each in statements:
        said.append(describe(each, sql))
        if sum(map(len, said)) > SUMMARY:
            break
    line = ", ".join(said)
    return shortened(f"{len(statements)} statements: {line}" if len(statements) > 1 else line)


def shortened(line: str) -> str:
    """Return `line` on one line, cut to 80 characters."""
    line = " ".join(line.split())
    return line if len(line) <= SUMMARY else line[: SUMMARY - 1].rstrip(" ,") + "…"


def describe(statement: Parsed, sql: bytes) -> str:
    """Return what people would call `statement`."""
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
    return shortened(head[0] if head else "") or "statement"


def _shown(*names: str | None) -> str:
    """Return a name as people write it: in quotes only where it needs them."""
    return ".".join(name if _PLAIN.fullmatch(name) else _quoted(name) for name in names if name)


def _relation(node: Tree | None) -> str:
    return _shown(*_names(node)) if node else ""


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
        return _strings(node["List"]["items"])
    if "TypeName" in node:
        return _strings(node["TypeName"]["names"])
    if "ObjectWithArgs" in node:
        return _strings(node["ObjectWithArgs"]["objname"])
    return _strings([node])


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
    return f"CREATE {what} {_shown(*_strings(node['funcname']))}"


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
    "AlterEnumStmt": lambda node: f"ALTER TYPE {_shown(*_strings(node['typeName']))}",
    "AlterSeqStmt": lambda node: f"ALTER SEQUENCE {_relation(node['sequence'])}",
    "AlterTableStmt": _alter_table,
    "CallStmt": lambda node: f"CALL {_shown(*_strings(node['funccall']['funcname']))}",
    "ClusterStmt": lambda node: f"CLUSTER {_relation(node.get('relation'))}".rstrip(),
    "CommentStmt": _comment,
    "CompositeTypeStmt": lambda node: f"CREATE TYPE {_relation(node['typevar'])}",
    "CreateDomainStmt": lambda node: f"CREATE DOMAIN {_shown(*_strings(node['domainname']))}",
    "CreateEnumStmt": lambda node: f"CREATE TYPE {_shown(*_strings(node['typeName']))}",
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
