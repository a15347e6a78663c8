"""The published JSON Schema and its types say the same."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from seedbed.manifest.schema import json_schema


class Options(msgspec.Struct, frozen=True):
    """What a database of this engine can be told."""

    models: str = ""


class OtherOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    tables: tuple[str, ...] = ("a",)
    must: int


def _schema() -> dict[str, Any]:
    return json_schema({"postgres": Options, "my-engine": OtherOptions})


def test_each_engine_has_its_section_with_its_own_keys_and_the_generic_one() -> None:
    definitions = _schema()["$defs"]
    assert list(definitions["Service"]["properties"]) == ["my-engine", "postgres"]
    assert set(definitions["PostgresSection"]["properties"]) == {"models", "directory"}
    assert definitions["PostgresSection"]["description"] == "What a database of this engine can be told."
    assert definitions["MyEngineSection"]["required"] == ["must"]


def test_unknown_keys_are_refused_wherever_sections_have_fixed_keys() -> None:
    schema = _schema()
    for name, each in {**schema["$defs"], "Manifest": schema}.items():
        assert each["additionalProperties"] is False, name


def test_every_key_is_described() -> None:
    definitions = _schema()["$defs"]
    for name in (
        "PlatformSection",
        "ReferenceSection",
        "EnvironmentSection",
        "TaskSection",
        "GraphSection",
        "PlatformReleaseSection",
        "ReleaseSection",
        "CodeSection",
        "CheckSection",
    ):
        assert definitions[name]["description"]
        assert [
            key for key, each in definitions[name]["properties"].items() if "description" not in each
        ] == []


def test_the_schema_is_plain_json_and_names_itself() -> None:
    schema = _schema()
    assert json.loads(json.dumps(schema)) == schema
    assert {"$schema", "$id", "title", "description"} <= schema.keys()
    assert schema["required"] == ["platform"]
