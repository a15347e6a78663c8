"""The JSON Schema of a type, generated: it says what the type checks."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(type_: type[Any], name: str, *, title: str, description: str = "") -> dict[str, Any]:
    """Return the schema (draft 2020-12) of a Struct as plain JSON.

    `name`: the last part of its id, `urn:seedbed:schema:<name>`, which is not an address. `description`: instead of the
    type's own docstring.
    """
    (_,), components = msgspec.json.schema_components([type_], ref_template="#/$defs/{name}")
    whole = components.pop(type_.__name__)
    schema = {
        "$schema": _DRAFT,
        "$id": f"urn:seedbed:schema:{name}",
        **whole,
        "title": title,
        "description": description or whole.get("description", ""),
        "$defs": dict(sorted(components.items())),
    }
    plain: dict[str, Any] = json.loads(msgspec.json.encode(schema))  # defaults may be tuples or enums
    return plain
