"""indexes.toml's own sections as types: what msgspec checks, and what the published schema says.

The text of every `Meta` is read by people: in the schema, by their editors. What OpenSearch itself limits is in
`limits`, where every refusal has its own words.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

Number = Annotated[
    int,
    Meta(
        ge=1, le=1_000_000, description="Migrations lead from each number to the next; old definitions stay."
    ),
]
IndexName = Annotated[str, Meta(extra_json_schema={"pattern": "^[a-z0-9][a-z0-9._+-]*$", "maxLength": 200})]
Name = Annotated[str, Meta(min_length=1)]


class VersionSection(Struct, frozen=True, forbid_unknown_fields=True):
    """One definition of an index."""

    number: Number
    settings: Annotated[
        dict[str, Any],
        Meta(
            description="As OpenSearch takes them, nested or dotted, with or without `index.`; analysis too."
        ),
    ] = {}
    mappings: Annotated[dict[str, Any], Meta(description="As OpenSearch takes them.")] = {}


class IndexSection(Struct, frozen=True, forbid_unknown_fields=True):
    """An index, by the alias that applications use."""

    versions: Annotated[list[VersionSection], Meta(description="Its definitions, oldest first.")]
    keep: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="How many former physical indexes stay, read only, after a new one is in use.",
        ),
    ] = 1


class BodySection(Struct, frozen=True, forbid_unknown_fields=True):
    """One definition of a pipeline or a template."""

    number: Number
    body: Annotated[dict[str, Any], Meta(description="As OpenSearch takes it.")]


class NamedSection(Struct, frozen=True, forbid_unknown_fields=True):
    """A pipeline or a template."""

    versions: Annotated[list[BodySection], Meta(description="Its definitions, oldest first.")]


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    indexes: Annotated[dict[IndexName, IndexSection], Meta(description="The indexes, by their aliases.")] = {}
    pipelines: Annotated[dict[Name, NamedSection], Meta(description="Ingest pipelines, by name.")] = {}
    templates: Annotated[dict[Name, NamedSection], Meta(description="Index templates, by name.")] = {}
