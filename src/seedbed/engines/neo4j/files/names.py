"""Names in Cypher: how they are quoted, and those that belong to seedbed."""

from __future__ import annotations

HISTORY_LABEL = "migrations_history"
HISTORY_CONSTRAINT = "migrations_history_key"


def quoted(name: str) -> str:
    """Return a label, type, property or index name in backticks, as Cypher reads it whatever it contains."""
    return "`" + name.replace("`", "``") + "`"
