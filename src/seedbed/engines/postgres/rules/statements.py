"""What a statement is: whether it goes into a transaction or a migration, and what it leaves in the session.

Everything here is read off the tree; nothing asks a server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum

from msgspec import Struct

from seedbed.engines.postgres.files.grammar import Parsed, parse
from seedbed.engines.postgres.files.trees import Tree, detached_partition, is_concurrent, options_of


class Block(Enum):
    """How a statement gets along with a transaction block."""

    INSIDE = "runs in one"
    OUTSIDE = "PostgreSQL refuses it there"
    EITHER = "what it meets at run time decides; outside, it may commit by itself"


class Refusal(Struct, frozen=True):
    """Why a statement has no place in a migration."""

    what: str
    because: str
    try_: str = ""


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
    return _outside_if(detached_partition(node))


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
    options = options_of(node.get("options"))
    return _outside_if(options.get("create_slot", True) and options.get("connect", True))


def _block_of_alter_subscription(node: Tree) -> Block:
    kind, options = node.get("kind"), options_of(node.get("options"))
    if kind in _REFRESHING:
        return _outside_if(options.get("refresh", True))
    if kind == "ALTER_SUBSCRIPTION_OPTIONS":
        return _outside_if({"failover", "two_phase"} & options.keys())
    return _outside_if(str(kind).startswith("ALTER_SUBSCRIPTION_REFRESH"))


def _block_of_alter_database(node: Tree) -> Block:
    return _outside_if("tablespace" in options_of(node.get("options")))


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
    "COPY … TO STDOUT has no client to write to", "a migration is sent as statements, and no data comes back"
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
    "killed halfway it leaves an invalid index, which could not be distinguished from others",
    "CREATE INDEX CONCURRENTLY table_column_idx ON …",
)
_REBUILT_AT_LARGE = Refusal(
    "REINDEX … CONCURRENTLY of everything at once",
    "killed halfway it leaves invalid indexes, which could not be distinguished from others",
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
