"""The JSON Schema of indexes.toml, for editors: generated from the very types that check it."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from seedbed.engines.opensearch.indexes.read import FILE
from seedbed.engines.opensearch.indexes.sections import Document

ID = "urn:seedbed:schema:indexes"  # a name, no address: the file is published with the docs
_DRAFT = "https://json-schema.org/draft/2020-12/schema"

__all__ = ["FILE", "ID", "json_schema"]


def json_schema() -> dict[str, Any]:
    """Return the schema of an indexes.toml, as plain JSON."""
    (_,), components = msgspec.json.schema_components([Document], ref_template="#/$defs/{name}")
    document = components.pop("Document")
    schema = {
        "$schema": _DRAFT,
        "$id": ID,
        **document,
        "title": FILE,
        "description": "The OpenSearch indexes of one service.",
        "$defs": dict(sorted(components.items())),
    }
    plain: dict[str, Any] = json.loads(msgspec.json.encode(schema))
    return plain
