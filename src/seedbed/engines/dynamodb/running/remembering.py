"""Tables as they were described once: what a deployment would change is told from them, without a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from seedbed.engines.dynamodb.address import Address
from seedbed.engines.dynamodb.database import DynamoDatabase
from seedbed.engines.dynamodb.schema.shape import HISTORY
from seedbed.engines.dynamodb.session import DynamoSession
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.errors import Refused
from seedbed.model.names import table_name
from seedbed.model.target import Target

# Of DescribeTable: what `current` and `template` read. No ARN among them, and so no account.
_TABLE = (
    "TableName",
    "TableStatus",
    "ItemCount",
    "TableSizeBytes",
    "AttributeDefinitions",
    "KeySchema",
    "StreamSpecification",
)
_INDEX = ("IndexName", "IndexStatus", "Backfilling", "ItemCount", "IndexSizeBytes", "KeySchema", "Projection")
_INDEXES = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")


def memory(database: DynamoDatabase) -> dict[str, Any]:
    """Return each table that is declared or has the history, as it is described now, by its logical name.

    One that is missing is not among them. Raises ServiceError.
    """
    found = {}
    for name in (HISTORY, *(each.name for each in database.declared().tables)):
        try:
            table = _kept(database.description(name))
            found[name] = {
                "table": table,
                "ttl": _picked(database.ttl(name), ("AttributeName", "TimeToLiveStatus")),
            }
        except ServiceError as error:
            if error.code != NOT_FOUND:
                raise
    return {"tables": found}


def _kept(description: Mapping[str, Any]) -> dict[str, Any]:
    indexes = {
        kind: [_picked(each, _INDEX) for each in description[kind]]
        for kind in _INDEXES
        if description.get(kind)
    }
    return {**_picked(description, _TABLE), **indexes}


def _picked(known: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: known[name] for name in names if name in known}


def recalled(target: Target, memory: Mapping[str, Any]) -> DynamoSession:
    """Return a session on `target` that finds the tables of `memory`, and no others. Raises Refused."""
    tables = memory.get("tables")
    if not isinstance(tables, Mapping):
        raise Refused(
            f"what was remembered of the tables of {target.id} cannot be read",
            because="another version of seedbed wrote it",
        )
    service, environment = target.database.service, target.environment.name
    described = _Described({table_name(service, name, environment): each for name, each in tables.items()})
    database = DynamoDatabase(
        target=target.id,
        address=cast(Address, target.address),  # a text: nothing is asked there
        client=cast(Client, described),
        service=service,
        environment=environment,
        directory=target.database.directory,
    )
    return DynamoSession(database, target.platform)


class _Described:
    """In a client's place: it answers what DescribeTable and DescribeTimeToLive answered once."""

    def __init__(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        self._tables = tables

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["TableName"]
        found = self._tables.get(name)
        if found is None:
            raise ServiceError(NOT_FOUND, f"there was no table {name}", operation=operation)
        return {"Table": found["table"], "TimeToLiveDescription": found["ttl"]}
