"""The JSON Schema of tables.toml, for editors: generated from the very types that check it."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from seedbed.engines.dynamodb.tables.sections import Document

ID = "urn:seedbed:schema:tables"  # a name, no address: the file is published with the docs
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema of a tables.toml, as plain JSON."""
    (_,), components = msgspec.json.schema_components([Document], ref_template="#/$defs/{name}")
    document = components.pop("Document")
    schema = {
        "$schema": _DRAFT,
        "$id": ID,
        **document,
        "title": "tables.toml",
        "description": "The DynamoDB tables of one service.",
        "$defs": dict(sorted(components.items())),
    }
    plain: dict[str, Any] = json.loads(msgspec.json.encode(schema))
    return plain
