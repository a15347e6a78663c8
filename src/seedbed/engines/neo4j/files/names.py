"""Names in Cypher: how they are quoted, and those that belong to seedbed."""

from __future__ import annotations

HISTORY_LABEL = "migrations_history"
HISTORY_CONSTRAINT = "migrations_history_key"
# Of a snapshot that is restored beside the graph, in the same database; the property has the name of the label.
COPY_LABEL = "restored_copy"
COPY_CONSTRAINT = "restored_copy_key"
OWN_CONSTRAINTS = frozenset({HISTORY_CONSTRAINT, COPY_CONSTRAINT})


def quoted(name: str) -> str:
    """Return a label, type, property or index name in backticks, as Cypher reads it whatever it contains.

    Neo4j puts the character of a \\uXXXX in its place before it looks for the end of a name: \\u0060 would end it. So a
    backslash is written as such an escape itself.
    """
    return "`" + name.replace("\\", "\\u005c").replace("`", "``") + "`"
