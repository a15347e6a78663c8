"""tables.toml's own sections as types: what msgspec checks, and what the published schema says.

The text of every `Meta` is read by people: in the schema, by their editors. What DynamoDB itself limits is in
`limits`, where every refusal has its own message; the schema repeats as much of it as a schema can say.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from seedbed.engines.dynamodb.rules import quotas
from seedbed.engines.dynamodb.schema.shape import AttributeType, StreamView

_PROJECTIONS = ["ALL", "KEYS_ONLY"]

Attribute = Annotated[str, Meta(min_length=1)]
TableName = Annotated[
    str,
    Meta(extra_json_schema={"pattern": f"^{quotas.TABLE_NAME.pattern}$", "maxLength": quotas.TABLE_LENGTH}),
]
IndexName = Annotated[
    str,
    Meta(
        extra_json_schema={
            "pattern": f"^{quotas.INDEX_NAME.pattern}$",
            "minLength": quotas.INDEX_LENGTH.start,
            "maxLength": quotas.INDEX_LENGTH.stop - 1,
        }
    ),
]
Attributes = Annotated[
    list[Attribute],
    Meta(extra_json_schema={"minItems": 1, "maxItems": quotas.KEY_ATTRIBUTES, "uniqueItems": True}),
]
Projected = Annotated[
    list[Attribute],
    Meta(extra_json_schema={"minItems": 1, "maxItems": quotas.PROJECTED_PER_INDEX, "uniqueItems": True}),
]
ProjectionSection = Annotated[
    Annotated[str, Meta(extra_json_schema={"enum": _PROJECTIONS})] | Projected,
    Meta(
        description="What it holds of an item besides the keys: ALL, nothing (KEYS_ONLY), or the attributes listed."
    ),
]


class KeySection(Struct, frozen=True, forbid_unknown_fields=True):
    """The primary key of a table. It can never be changed."""

    partition: Annotated[Attribute, Meta(description="The attribute that spreads items over partitions.")]
    sort: Annotated[
        Attribute | UnsetType, Meta(description="The attribute that orders items of one partition.")
    ] = UNSET


class IndexSection(Struct, frozen=True, forbid_unknown_fields=True):
    """A global secondary index; it can be added and removed at any time."""

    partition: Annotated[
        Attribute | Attributes, Meta(description="One attribute, or up to four that are one key together.")
    ]
    sort: Annotated[
        Attribute | Attributes | UnsetType,
        Meta(description="One attribute, or up to four, the first orders first."),
    ] = UNSET
    projection: ProjectionSection = "ALL"


class LocalIndexSection(Struct, frozen=True, forbid_unknown_fields=True):
    """A local secondary index: another order within each partition. Only a new table can have one."""

    sort: Annotated[Attribute, Meta(description="The attribute that orders items of one partition.")]
    projection: ProjectionSection = "ALL"


class VersionSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Which form an item has; migrations with `from=` and `to=` go by it."""

    attribute: Annotated[
        Attribute,
        Meta(description="The attribute that holds it, a number; an item without it is of version 1."),
    ]
    current: Annotated[
        int, Meta(ge=1, le=1_000_000, description="The version that new items are written in.")
    ] = 1


class TableSection(Struct, frozen=True, forbid_unknown_fields=True):
    """A table."""

    key: KeySection
    attributes: Annotated[
        dict[Attribute, AttributeType],
        Meta(
            description="Types of the items' attributes: of all that are part of any key, and of as many more as"
            " seeds and migrations are to be checked against."
        ),
    ]
    indexes: Annotated[
        dict[IndexName, IndexSection],
        Meta(
            description="Global secondary indexes, by name.",
            extra_json_schema={"maxProperties": quotas.GLOBAL_INDEXES},
        ),
    ] = {}
    local_indexes: Annotated[
        dict[IndexName, LocalIndexSection],
        Meta(
            description="Local secondary indexes, by name.",
            extra_json_schema={"maxProperties": quotas.LOCAL_INDEXES},
        ),
    ] = {}
    ttl: Annotated[
        Attribute | UnsetType,
        Meta(description="The attribute that holds when an item expires, in seconds since 1970."),
    ] = UNSET
    stream: Annotated[
        StreamView | UnsetType, Meta(description="What the table's stream contains of a changed item.")
    ] = UNSET
    version: VersionSection | UnsetType = UNSET


class TablesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    tables: Annotated[dict[TableName, TableSection], Meta(description="The tables, by their own names.")] = {}
