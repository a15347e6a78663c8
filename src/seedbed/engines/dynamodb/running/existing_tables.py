"""Tables of a template that exist already, as the resources to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedbed.engines.dynamodb.schema import current, template
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.model.deployment import Template


def existing_tables(client: Client, wanted: Template) -> dict[str, Mapping[str, Any]]:
    """Return, by logical id, each table of `wanted` that exists, as the resource to import it as.

    Its key, indexes, expiry and stream are the current ones. What the environment decides (point-in-time recovery,
    deletion protection) is left out, so that the update after the import sets it. Raises ServiceError.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for logical_id, resource in wanted.get("Resources", {}).items():
        name = resource.get("Properties", {}).get("TableName")
        if resource.get("Type") != template.TYPE or not isinstance(name, str):
            continue
        try:
            description = client.call("DescribeTable", {"TableName": name})["Table"]
            ttl = client.call("DescribeTimeToLive", {"TableName": name})["TimeToLiveDescription"]
        except ServiceError as error:
            if error.code == NOT_FOUND:
                continue
            raise
        shape = current.described(description, ttl, name=template.name_of(logical_id, resource))
        found[logical_id] = {
            **resource,
            "Properties": {"TableName": name, **template.properties(shape)},
        }
    return found
