"""What has no place in a migration, read off the tree of a statement."""

from __future__ import annotations

import re

from msgspec import Struct

from seedbed.engines.postgres.files.grammar import ParsedStatement
from seedbed.engines.postgres.files.trees import Tree, is_concurrent


class Refusal(Struct, frozen=True):
    """Why a statement has no place in a migration."""

    what: str
    because: str
    try_: str = ""


_TRANSACTION = Refusal(
    "a migration does not control its own transaction",
    "its statements and the record of it commit together, or not at all",
    "leave it out; where a statement cannot run in a transaction: -- migrate:up transaction:false",
)
_TRANSACTION_OUTSIDE = Refusal(
    "a migration does not control its own transaction",
    "with transaction:false each statement commits by itself, and what is done is recorded after each",
    "leave it out, and give what has to commit together a migration of its own, without transaction:false",
)
COPY_IN = Refusal(
    "COPY … FROM STDIN has no data to read",
    "a migration is sent as statements, and rows cannot follow one",
    "INSERT INTO … VALUES, or a seed: its .csv is loaded by COPY",
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


def refusal(statement: ParsedStatement, *, in_transaction: bool = True) -> Refusal | None:
    """Return why `statement` has no place in any migration, None where it has.

    `in_transaction`: whether its section is one transaction.
    """
    match statement.kind:
        case "TransactionStmt":
            return _TRANSACTION if in_transaction else _TRANSACTION_OUTSIDE
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
    return COPY_IN if node.get("is_from") else _COPY_OUT
