"""The sections of indexes.toml as types: msgspec checks them, and the published schema is generated from them.

Every `Meta` description appears in the schema, and so in editors. The limits of OpenSearch itself are checked in
`rules.limits`, where each has a message of its own.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

Number = Annotated[
    int,
    Meta(
        ge=1, le=1_000_000, description="A migration leads from one number to the next; keep old definitions."
    ),
]
IndexName = Annotated[str, Meta(extra_json_schema={"pattern": "^[a-z0-9][a-z0-9._+-]*$", "maxLength": 200})]
Name = Annotated[str, Meta(min_length=1)]


class VersionSection(Struct, frozen=True, forbid_unknown_fields=True):
    """One definition of an index."""

    number: Number
    settings: Annotated[
        dict[str, Any],
        Meta(description="As in the REST API, nested or dotted, with or without `index.`; analysis too."),
    ] = {}
    mappings: Annotated[dict[str, Any], Meta(description="As in the REST API.")] = {}


class IndexSection(Struct, frozen=True, forbid_unknown_fields=True):
    """An index, under the alias that applications use."""

    versions: Annotated[list[VersionSection], Meta(description="Its definitions, oldest first.")]
    keep: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="Number of former physical indexes to keep, read only, once a new one is in use.",
        ),
    ] = 1


class BodySection(Struct, frozen=True, forbid_unknown_fields=True):
    """One definition of a pipeline or a template."""

    number: Number
    body: Annotated[dict[str, Any], Meta(description="As in the REST API.")]


class ResourceSection(Struct, frozen=True, forbid_unknown_fields=True):
    """A pipeline or a template."""

    versions: Annotated[list[BodySection], Meta(description="Its definitions, oldest first.")]


class IndexesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    indexes: Annotated[dict[IndexName, IndexSection], Meta(description="The indexes, by their aliases.")] = {}
    pipelines: Annotated[dict[Name, ResourceSection], Meta(description="Ingest pipelines, by name.")] = {}
    templates: Annotated[dict[Name, ResourceSection], Meta(description="Index templates, by name.")] = {}
