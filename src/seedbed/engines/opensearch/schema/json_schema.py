"""The JSON Schema of indexes.toml, for editors: generated from the types that check it."""

from __future__ import annotations

from typing import Any

from seedbed.engines.opensearch.schema.read import FILE
from seedbed.engines.opensearch.schema.sections import IndexesFile
from seedbed.support.json_schema import json_schema as generated

__all__ = ["FILE", "json_schema"]


def json_schema() -> dict[str, Any]:
    """Return the schema of an indexes.toml, as plain JSON."""
    return generated(IndexesFile, "indexes", title=FILE, description="The OpenSearch indexes of one service.")
