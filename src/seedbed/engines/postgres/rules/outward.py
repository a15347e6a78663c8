"""What of a migration connects its database to another one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from seedbed.engines.postgres.files.grammar import ParsedStatement
from seedbed.engines.postgres.files.libpg_query import GrammarError
from seedbed.engines.postgres.files.placed import placed
from seedbed.engines.postgres.rules import registry
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Step

_WRAPPERS = frozenset({"postgres_fdw", "dblink_fdw"})
_REACHES = re.compile(r"dblink|postgres_fdw|subscription", re.IGNORECASE)  # in the text of whatever does
_CALL = re.compile(
    rb'"funcname":\[(?:\{"String":\{"sval":"\w+"\}\},)?\{"String":\{"sval":"(dblink\w*)"\}\}\]'
)


def outward(steps: Sequence[Step]) -> Iterator[Hazard]:
    """Yield what the statements of `steps` connect this database to."""
    for step in steps:
        if _REACHES.search(step.body):
            with suppress(GrammarError):  # what is no SQL is reported as that
                for statement, line in placed(step):
                    for what in _ways(statement):
                        yield registry.REACHES_OUT.hazard(what, line=line)


def _ways(statement: ParsedStatement) -> Iterator[str]:
    if statement.kind == "CreateForeignServerStmt":
        node = statement.node()
        if node.get("fdwname") in _WRAPPERS:
            yield f"CREATE SERVER {node['servername']} leads to another database"
    elif statement.kind == "CreateSubscriptionStmt":
        yield f"CREATE SUBSCRIPTION {statement.node()['subname']} copies from another database"
    elif call := _CALL.search(bytes(statement.tree)):
        yield f"{call[1].decode()}(…) reaches another database"
