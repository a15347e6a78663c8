"""Tables in a CloudFormation template: from a resource to its shape, and from a shape to a resource's properties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from msgspec.structs import replace

from seedbed.engines.dynamodb.schema.shape import IndexShape, Key, KeyType, Projection, StreamView, TableShape
from seedbed.errors import Refused

TYPE = "AWS::DynamoDB::Table"
METADATA = "seedbed"  # the key of a resource's Metadata below which our constructs say what it is


def metadata(table: TableShape) -> dict[str, Any]:
    """Return the Metadata that a table's resource carries, so that its logical name is read back."""
    return {METADATA: {"table": table.name}}


def properties(table: TableShape) -> dict[str, Any]:
    """Return the Properties of a table's resource as far as its shape says them.

    Without TableName, tags, point-in-time recovery and deletion protection, which depend on the environment.
    """
    return {
        "KeySchema": key_schema(table.key),
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": table.key_types[name]} for name in used(table)
        ],
        "BillingMode": "PAY_PER_REQUEST",
        **_indexes("GlobalSecondaryIndexes", table.global_indexes),
        **_indexes("LocalSecondaryIndexes", table.local_indexes),
        **({"TimeToLiveSpecification": {"AttributeName": table.ttl, "Enabled": True}} if table.ttl else {}),
        **({"StreamSpecification": {"StreamViewType": table.stream}} if table.stream else {}),
    }


def shape(
    logical_id: str, resource: Mapping[str, Any], *, service: str = "", environment: str = ""
) -> TableShape:
    """Return the table that a resource of type AWS::DynamoDB::Table declares.

    Its name is what our constructs noted in Metadata; else its TableName, without `service` and `environment` around
    it; else its logical id. Raises Refused where the keys are not written out (`Ref`, `Fn::If`).
    """
    declared = resource.get("Properties", {})
    try:
        return described(name_of(logical_id, resource, service=service, environment=environment), declared)
    except (AttributeError, KeyError, TypeError):
        raise Refused(
            f"the table {logical_id} is declared in a way that cannot be compared",
            because="its keys, indexes or attributes are not written out in the template, or lack something",
            try_="declare it in tables.toml, and make it by seedbed's construct",
        ) from None


def name_of(logical_id: str, resource: Mapping[str, Any], *, service: str = "", environment: str = "") -> str:
    """Return the logical name of the table that a resource declares."""
    noted = resource.get("Metadata", {}).get(METADATA, {})
    name = noted.get("table") if isinstance(noted, Mapping) else None
    if isinstance(name, str) and name:
        return name
    physical = resource.get("Properties", {}).get("TableName")
    if not isinstance(physical, str):
        return logical_id
    before, after = f"{service}-" if service else "", f"-{environment}" if environment else ""
    if physical.startswith(before) and physical.endswith(after) and len(physical) > len(before + after):
        return physical[len(before) : len(physical) - len(after)]
    return physical


def described(name: str, declared: Mapping[str, Any]) -> TableShape:
    """Return the table `name` from a resource's Properties, or from what DescribeTable says, which has the same words.

    TTL is what only a template has; `current` adds what the server says of it.
    Raises KeyError, TypeError, AttributeError for what is not written out.
    """
    stream = declared.get("StreamSpecification") or {}
    ttl = declared.get("TimeToLiveSpecification") or {}
    types = {
        each["AttributeName"]: each["AttributeType"] for each in declared.get("AttributeDefinitions") or ()
    }
    table = TableShape(
        name=name,
        key=_key(declared["KeySchema"]),
        key_types={},
        global_indexes=_read_indexes(declared.get("GlobalSecondaryIndexes")),
        local_indexes=_read_indexes(declared.get("LocalSecondaryIndexes")),
        ttl=_text(ttl["AttributeName"]) if is_on(ttl) else "",
        stream=cast(StreamView, _text(stream["StreamViewType"]))
        if stream and stream.get("StreamEnabled", True)
        else "",
    )
    return with_types(table, {name: cast(KeyType, _text(type_)) for name, type_ in types.items()})


def with_types(table: TableShape, types: Mapping[str, KeyType]) -> TableShape:
    """Return `table` with the types of the attributes that its keys use. Raises KeyError where one is missing."""
    return replace(table, key_types={name: types[name] for name in used(table)})


def used(table: TableShape) -> list[str]:
    """Return all attributes that are part of any key of `table`, sorted."""
    keys = (table.key, *(each.key for each in (*table.global_indexes, *table.local_indexes)))
    return sorted({name for key in keys for name in (*key.partition, *key.sort)})


def key_schema(key: Key) -> list[dict[str, str]]:
    return [
        *({"AttributeName": name, "KeyType": "HASH"} for name in key.partition),
        *({"AttributeName": name, "KeyType": "RANGE"} for name in key.sort),
    ]


def index_properties(index: IndexShape) -> dict[str, Any]:
    """Return an index as templates and CreateTable say it."""
    projection: dict[str, Any] = {"ProjectionType": index.projection.kind}
    if index.projection.kind == "INCLUDE":
        projection["NonKeyAttributes"] = list(index.projection.attributes)
    return {"IndexName": index.name, "KeySchema": key_schema(index.key), "Projection": projection}


def _indexes(property_: str, indexes: Iterable[IndexShape]) -> dict[str, Any]:
    listed = [index_properties(each) for each in indexes]
    return {property_: listed} if listed else {}


def _read_indexes(declared: Sequence[Mapping[str, Any]] | None) -> tuple[IndexShape, ...]:
    found = [
        IndexShape(_text(each["IndexName"]), _key(each["KeySchema"]), _projection(each["Projection"]))
        for each in declared or ()
    ]
    return tuple(sorted(found, key=lambda each: each.name))


def _key(schema: Sequence[Mapping[str, Any]]) -> Key:
    kinds: dict[str, list[str]] = {"HASH": [], "RANGE": []}
    for each in schema:
        kinds[each["KeyType"]].append(_text(each["AttributeName"]))
    return Key(tuple(kinds["HASH"]), tuple(kinds["RANGE"]))


def _projection(declared: Mapping[str, Any]) -> Projection:
    kind = declared.get("ProjectionType", "ALL")
    if kind not in {"ALL", "KEYS_ONLY", "INCLUDE"}:
        raise TypeError(kind)
    attributes = declared.get("NonKeyAttributes") or () if kind == "INCLUDE" else ()
    return Projection(kind, tuple(sorted(_text(each) for each in attributes)))


def is_on(ttl: Mapping[str, Any] | None) -> bool:
    """Return whether a TimeToLiveSpecification lets items expire; JSON of a template may say either."""
    return bool(ttl) and (ttl or {}).get("Enabled") in (True, "true")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
