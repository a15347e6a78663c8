"""Checking documents: by their schemas, with a validator that is not ours, and by their types, which take nothing more."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import msgspec

from seedbed.documents.schemas import DOCUMENTS, schema


def problems(document: Any) -> list[str]:
    """Return what is wrong with a document as it was printed: what is missing, of another type, or in no schema."""
    name = str(document.get("schema", "")).split("/")[1:2]
    if not name or name[0] not in DOCUMENTS:
        return [f"$.schema names no document: {document.get('schema')}"]
    found = [f"{each.json_path} {each.message}" for each in _validator(name[0]).iter_errors(document)]
    try:
        msgspec.json.decode(json.dumps(document), type=DOCUMENTS[name[0]])
    except msgspec.ValidationError as error:
        found.append(str(error))
    return found


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema(name))
