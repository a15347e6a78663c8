"""What a statement leaves in the session: settings, temporary tables. Read off its tree."""

from __future__ import annotations

import re
from collections.abc import Sequence

from seedbed.engines.postgres.files.grammar import ParsedStatement, parse

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


def sets_session(body: str) -> bool:
    """Return whether `body` is a SET or RESET that holds for the rest of its session. Raises GrammarError."""
    found = parse(body.encode(), ())
    return any(each.kind == "VariableSetStmt" and not each.node().get("is_local") for each in found)


def may_change_session(statements: Sequence[ParsedStatement]) -> bool:
    """Return whether the session could differ after `statements`, in settings or temporary tables.

    False only where that is certain.

    What event triggers do is not looked at.
    """
    return any(each.kind not in _QUIET or _calls(each) or _TEMPORARY.search(each.tree) for each in statements)


def _calls(statement: ParsedStatement) -> bool:
    """Return whether `statement` evaluates a function now: filling a new column, or bounding a partition."""
    tree = bytes(statement.tree)
    is_evaluated = statement.kind == "AlterTableStmt" or b'"partbound"' in tree
    return is_evaluated and b'"FuncCall"' in tree
