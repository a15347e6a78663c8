"""What CloudFormation refuses when a template changes tables, in its own words; pure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TABLE = "AWS::DynamoDB::Table"
Properties = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A resource that cannot become what a template wants; `creating` it or changing it."""

    resource: str
    table: str
    reason: str
    creating: bool = False


def tables(template: Mapping[str, Any]) -> dict[str, Properties]:
    """Return the properties of a template's tables, by logical id."""
    resources = template.get("Resources") or {}
    return {name: each.get("Properties", {}) for name, each in resources.items() if each.get("Type") == TABLE}


def refusals(
    deployed: Mapping[str, Any], wanted: Mapping[str, Any], exists: Callable[[str], bool]
) -> Iterator[Refusal]:
    """Yield what CloudFormation would refuse, one reason for each table; `exists` asks for a table by its name."""
    old = tables(deployed)
    for resource, new in tables(wanted).items():
        name = str(new.get("TableName", resource))
        creating = resource not in old or old[resource].get("TableName") != new.get("TableName")
        reason = _definitions(new) or (
            _existing(name, exists) if creating else _change(name, old[resource], new)
        )
        if reason:
            yield Refusal(resource, name, reason, creating)


def indexes(properties: Properties) -> dict[str, Properties]:
    """Return the global secondary indexes of a table, by name."""
    return {each["IndexName"]: each for each in properties.get("GlobalSecondaryIndexes") or ()}


def _change(name: str, old: Properties, new: Properties) -> str:
    if _is_replaced(old, new) and "TableName" in new:
        return (
            "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
            f"Rename {name} and update the stack again."
        )
    before, after = indexes(old), indexes(new)
    if any(_index(before[each]) != _index(after[each]) for each in before.keys() & after.keys()):
        return _handler(
            "Cannot update GSI's properties other than Provisioned Throughput and Contributor Insights "
            "Specification. You can create a new GSI with a different name."
        )
    if len(before.keys() ^ after.keys()) > 1:
        return _handler("Cannot perform more than one GSI creation or deletion in a single update")
    return _expiry(old, new)


def _is_replaced(old: Properties, new: Properties) -> bool:
    types, wanted = _types(old), _types(new)
    return (
        _sorted(old.get("KeySchema")) != _sorted(new.get("KeySchema"))
        or _sorted(old.get("LocalSecondaryIndexes")) != _sorted(new.get("LocalSecondaryIndexes"))
        or any(types[each] != wanted[each] for each in types.keys() & wanted.keys())
    )


def _definitions(new: Properties) -> str:
    """Return what is wrong with the attributes that keys need: exactly those have to be defined."""
    parts = [new, *indexes(new).values(), *(new.get("LocalSecondaryIndexes") or ())]
    used = {key["AttributeName"] for part in parts for key in part.get("KeySchema") or ()}
    defined = _types(new).keys()
    prefix = "One or more parameter values were invalid: "
    if missing := used - defined:
        return _handler(
            f"{prefix}Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: {_listed(missing)}, AttributeDefinitions: {_listed(defined)}"
        )
    if not defined - used:
        return ""
    if len(parts) == 1:
        return _handler(
            f"{prefix}Number of attributes in KeySchema does not exactly match number of attributes defined "
            "in AttributeDefinitions"
        )
    return _handler(
        f"{prefix}Some AttributeDefinitions are not used. AttributeDefinitions: {_listed(defined)}, "
        f"keys used: {_listed(used)}"
    )


def expiry(properties: Properties) -> str:
    """Return the attribute by which items expire, "" if they do not."""
    found = properties.get("TimeToLiveSpecification") or {}
    return str(found.get("AttributeName", "")) if found.get("Enabled") else ""


def _expiry(old: Properties, new: Properties) -> str:
    before, after = expiry(old), expiry(new)
    if before and after and before != after:
        return _handler(
            f"TimeToLive is active on a different AttributeName: current AttributeName is {before}"
        )
    if before and not (new.get("TimeToLiveSpecification") or {}).get("AttributeName"):
        return _handler(
            "Invalid request provided: AttributeName property of TimeToLiveSpecification is required when TTL "
            "status is enabled or while enabling/disabling TTL."
        )
    return ""


def _existing(name: str, exists: Callable[[str], bool]) -> str:
    if not exists(name):
        return ""
    return _handler(f"Resource of type '{TABLE}' with identifier '{name}' already exists.", "AlreadyExists")


def _types(properties: Properties) -> dict[str, str]:
    return {
        each["AttributeName"]: each["AttributeType"] for each in properties.get("AttributeDefinitions") or ()
    }


def _index(properties: Properties) -> tuple[str, str]:
    projection = properties.get("Projection") or {}
    included = {**projection, "NonKeyAttributes": sorted(projection.get("NonKeyAttributes") or ())}
    # The order of the keys counts: an index may have several of each kind.
    return json.dumps(properties.get("KeySchema")), json.dumps(included, sort_keys=True)


def _sorted(values: Any) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in values or ())


def _listed(names: Any) -> str:
    return f"[{', '.join(sorted(names))}]"


def _handler(message: str, code: str = "InvalidRequest") -> str:
    token = uuid.uuid4()
    return f'Resource handler returned message: "{message}" (RequestToken: {token}, HandlerErrorCode: {code})'
