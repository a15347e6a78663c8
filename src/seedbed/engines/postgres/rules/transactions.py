"""Whether a statement may run in a transaction block, read off its tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum

from seedbed.engines.postgres.files.grammar import ParsedStatement, parse
from seedbed.engines.postgres.files.trees import Tree, detached_partition, is_concurrent, options_of


class TransactionUse(Enum):
    """Whether a statement may run in a transaction block."""

    INSIDE = "runs in one"
    OUTSIDE = "PostgreSQL refuses it there"
    EITHER = "what it meets at run time decides; outside, it may commit by itself"


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


def transaction_use(statement: ParsedStatement) -> TransactionUse:
    """Return whether `statement` may run in a transaction block.

    Source: the callers of PreventInTransactionBlock in PostgreSQL 14 to 18.
    """
    kind = statement.kind
    if kind in _OUTSIDE:
        return TransactionUse.OUTSIDE
    if kind in _EITHER:
        return TransactionUse.EITHER
    decide = _USES.get(kind)
    return decide(statement.node()) if decide else TransactionUse.INSIDE


def _outside_if(condition: object) -> TransactionUse:
    return TransactionUse.OUTSIDE if condition else TransactionUse.INSIDE


def _use_of_alter_table(node: Tree) -> TransactionUse:
    return _outside_if(detached_partition(node))


def _use_of_vacuum(node: Tree) -> TransactionUse:
    return _outside_if(node.get("is_vacuumcmd"))  # otherwise it is ANALYZE


def _use_of_cluster(node: Tree) -> TransactionUse:
    return (
        TransactionUse.EITHER if "relation" in node else TransactionUse.OUTSIDE
    )  # a partitioned table is refused inside


def _use_of_reindex(node: Tree) -> TransactionUse:
    is_one = node.get("kind") in {"REINDEX_OBJECT_INDEX", "REINDEX_OBJECT_TABLE"}
    if not is_one or is_concurrent(node):
        return TransactionUse.OUTSIDE
    return TransactionUse.EITHER  # a partitioned one is refused inside


def _use_of_create_subscription(node: Tree) -> TransactionUse:
    options = options_of(node.get("options"))
    return _outside_if(options.get("create_slot", True) and options.get("connect", True))


def _use_of_alter_subscription(node: Tree) -> TransactionUse:
    kind, options = node.get("kind"), options_of(node.get("options"))
    if kind in _REFRESHING:
        return _outside_if(options.get("refresh", True))
    if kind == "ALTER_SUBSCRIPTION_OPTIONS":
        return _outside_if({"failover", "two_phase"} & options.keys())
    return _outside_if(str(kind).startswith("ALTER_SUBSCRIPTION_REFRESH"))


def _use_of_alter_database(node: Tree) -> TransactionUse:
    return _outside_if("tablespace" in options_of(node.get("options")))


_USES: dict[str, Callable[[Tree], TransactionUse]] = {
    "IndexStmt": lambda node: _outside_if(node.get("concurrent")),
    "DropStmt": lambda node: _outside_if(node.get("concurrent")),
    "AlterTableStmt": _use_of_alter_table,
    "VacuumStmt": _use_of_vacuum,
    "ClusterStmt": _use_of_cluster,
    "ReindexStmt": _use_of_reindex,
    "CreateSubscriptionStmt": _use_of_create_subscription,
    "AlterSubscriptionStmt": _use_of_alter_subscription,
    "AlterDatabaseStmt": _use_of_alter_database,
}


_MAY_COMMIT = re.compile(r"commit|rollback|\b(?:call|execute)\b", re.IGNORECASE)  # spi_commit of PL/Perl, too


def commits_inside(body: str) -> bool:
    """Return whether `body` may commit some of its work before it fails. Raises GrammarError.

    A CALL may, and a concurrent REINDEX; so may a DO whose text has one of the words that it takes, wherever they stand
    in it.
    """
    statements = parse(body.encode(), ())
    kinds = {each.kind for each in statements}
    if any(each.kind == "ReindexStmt" and is_concurrent(each.node()) for each in statements):
        return True  # one index after the other; the one that fails leaves a half-made copy
    texts = (text for each in statements if each.kind == "DoStmt" for text in _texts(each.node()))
    return "CallStmt" in kinds or any(map(_MAY_COMMIT.search, texts))


def _texts(node: Tree) -> Iterator[str]:
    """Yield the texts of a DO as they are run; in the file, quotes and escapes may write them otherwise."""
    for each in node.get("args", ()):
        yield each.get("DefElem", {}).get("arg", {}).get("String", {}).get("sval", "")
