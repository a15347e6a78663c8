"""The JSON Schema of tables.toml, for editors: generated from the very types that check it."""

from __future__ import annotations

from typing import Any

from seedbed.engines.dynamodb.schema.sections import TablesFile
from seedbed.support.json_schema import json_schema as generated


def json_schema() -> dict[str, Any]:
    """Return the schema of a tables.toml, as plain JSON."""
    return generated(
        TablesFile, "tables", title="tables.toml", description="The DynamoDB tables of one service."
    )
