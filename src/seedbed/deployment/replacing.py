"""What an update of a stack would take away from somebody: data in a resource that CloudFormation makes anew or drops.

CloudFormation replaces a resource when a property changes that is set at its creation alone. The new one is empty, and
whatever the deletion policy keeps of the old one, nothing points to it any more. Which properties these are is in the
schema of each resource type (`createOnlyProperties`, `conditionalCreateOnlyProperties`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from seedbed.model.deployment import Template

Resource = Mapping[str, Any]

# Data, or what others were given: a password, addresses
_HOLDING: Mapping[str, tuple[str, ...]] = {
    "AWS::RDS::DBCluster": (
        "AvailabilityZones",
        "DBClusterIdentifier",
        "DBSubnetGroupName",
        "DatabaseName",
        "Engine",
        "EngineMode",
        "KmsKeyId",
        "MasterUsername",
        "SnapshotIdentifier",
        "StorageEncrypted",
    ),
    "AWS::OpenSearchService::Domain": (
        "DomainName",
        "EncryptionAtRestOptions.Enabled",
        "EncryptionAtRestOptions.KmsKeyId",
    ),
    "AWS::EFS::FileSystem": ("AvailabilityZoneName", "Encrypted", "KmsKeyId", "PerformanceMode"),
    "AWS::SecretsManager::Secret": ("Name",),
    "AWS::EC2::VPC": ("CidrBlock", "InstanceTenancy"),
    "AWS::EC2::Subnet": ("AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "VpcId"),
}
# They hold nothing, but what refers to them by such a property is replaced with them.
_OTHERS: Mapping[str, tuple[str, ...]] = {"AWS::RDS::DBSubnetGroup": ("DBSubnetGroupName",)}
# What keeps a property as it is, where the app has another default than the resource was made with
_KEPT_BY = {("AWS::RDS::DBCluster", "KmsKeyId"): "; storage-key in the environment's context keeps it"}
_VERSIONED = {"AWS::RDS::DBCluster", "AWS::OpenSearchService::Domain"}


class Loss(Struct, frozen=True):
    """What would happen to one resource, for people: "replace Cluster (RDS::DBCluster)", and because of what."""

    what: str
    because: str


def losses(deployed: Template | None, wanted: Template) -> Iterator[Loss]:
    """Yield what an update from `deployed` to `wanted` would replace, drop or set back; by logical id."""
    old: Mapping[str, Resource] = (deployed or {}).get("Resources", {})
    new: Mapping[str, Resource] = wanted.get("Resources", {})
    replaced = _replaced(old, new)
    for name, before in sorted(old.items()):
        kind = before.get("Type", "")
        if kind not in _HOLDING:
            continue
        label = f"{name} ({kind.removeprefix('AWS::')})"
        if name not in new:
            yield Loss(f"remove {label}", "the app no longer makes it")
        elif name in replaced:
            yield Loss(f"replace {label}", replaced[name])
        elif kind in _VERSIONED and _is_older(_version(new[name]), _version(before)):
            step = f"{_version(before)} to {_version(new[name])}"
            yield Loss(f"set back {label}", f"its version would go from {step}, and AWS never goes back")


def _replaced(old: Mapping[str, Resource], new: Mapping[str, Resource]) -> dict[str, str]:
    """Return why each resource is replaced that is; one that refers to another that is, too."""
    found: dict[str, str] = {}
    while True:
        more = {
            name: why
            for name in old.keys() & new.keys() - found.keys()
            if (why := _why_replaced(old[name], new[name], found))
        }
        if not more:
            return found
        found |= more


def _why_replaced(before: Resource, after: Resource, replaced: Mapping[str, str]) -> str:
    kind = before.get("Type", "")
    if after.get("Type") != kind:
        return f"its type would become {after.get('Type')}"
    for path in (*_HOLDING.get(kind, ()), *_OTHERS.get(kind, ())):
        was, will = _at(before, path), _at(after, path)
        if was != will:
            change = f"{path} would change from {_text(was)} to {_text(will)}"
            return f"{change}, and is set at its creation alone{_KEPT_BY.get((kind, path), '')}"
        if named := next((each for each in sorted(replaced) if _refers(will, each)), ""):
            return f"{path} is that of {named}, which would be replaced"
    return ""


def _at(resource: Resource, path: str) -> Any:
    found: Any = resource.get("Properties", {})
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _refers(value: Any, name: str) -> bool:
    """Return whether `value` is made of what the resource `name` is called, or one of its attributes."""
    if isinstance(value, Mapping):
        if value.get("Ref") == name:
            return True
        attribute = value.get("Fn::GetAtt")
        if attribute is not None:
            return bool((attribute.split(".") if isinstance(attribute, str) else attribute)[0] == name)
        return any(_refers(each, name) for each in value.values())
    return isinstance(value, list) and any(_refers(each, name) for each in value)


def _version(resource: Resource) -> str:
    return str(resource.get("Properties", {}).get("EngineVersion", ""))


def _is_older(wanted: str, deployed: str) -> bool:
    """Return whether "17.5" or "OpenSearch_3.3" comes before "17.7" or "OpenSearch_3.5"; what is unknown does not."""
    (new_name, new), (old_name, old) = (_numbers(text) for text in (wanted, deployed))
    return new_name == old_name and new < old[: len(new)]  # "17" is not before "17.7"


def _numbers(version: str) -> tuple[str, list[int]]:
    """Return what is before the numbers of a version, and these: another product's numbers are not compared."""
    return re.split(r"\d", version)[0], [int(each) for each in re.findall(r"\d+", version)]


def _text(value: Any) -> str:
    return "nothing" if value is None else str(value)
