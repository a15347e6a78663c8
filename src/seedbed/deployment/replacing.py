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

from seedbed.model.deployment import ResourceChange, Template
from seedbed.model.resource import Replacement, ResourceAction

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
    "AWS::S3::Bucket": ("BucketName",),
    "AWS::KMS::Key": (),
}
# Of whatever service: what is in a table is data
_TABLE = re.compile(r"::(Global)?Table$")
_OF_TABLES = ("KeySchema", "LocalSecondaryIndexes", "TableName")
# They hold nothing, but what refers to them by such a property is replaced with them.
_OTHERS: Mapping[str, tuple[str, ...]] = {"AWS::RDS::DBSubnetGroup": ("DBSubnetGroupName",)}
# What keeps a property as it is, where the app has another default than the resource was made with
_KEPT_BY = {("AWS::RDS::DBCluster", "KmsKeyId"): "; storage-key in the environment's context keeps it"}
_SECTIONS = (
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "UpdatePolicy",
    "CreationPolicy",
    "DependsOn",
    "Condition",
    "Metadata",
)
_VERSIONED = {"AWS::RDS::DBCluster", "AWS::OpenSearchService::Domain"}


class Loss(Struct, frozen=True):
    """What would happen to one resource, for people: "replace Cluster (RDS::DBCluster)", and because of what."""

    what: str
    because: str


def holds(kind: str, resource: Resource) -> bool:
    """Return whether a resource of the type `kind` holds what would be missed.

    An instance of a cluster holds nothing: its cluster does.
    """
    if kind == "AWS::RDS::DBInstance":
        return "DBClusterIdentifier" not in resource.get("Properties", {})
    return kind in _HOLDING or _TABLE.search(kind) is not None


def _create_only(kind: str) -> tuple[str, ...] | None:
    """Return the properties of a type that are set at its creation alone; None where they are not known."""
    if _TABLE.search(kind):
        return _OF_TABLES
    return _HOLDING.get(kind, _OTHERS.get(kind))


def losses(deployed: Template | None, wanted: Template) -> Iterator[Loss]:
    """Yield what an update from `deployed` to `wanted` would replace, drop or set back; by logical id."""
    old: Mapping[str, Resource] = (deployed or {}).get("Resources", {})
    new: Mapping[str, Resource] = wanted.get("Resources", {})
    for each in resource_changes(deployed, wanted):
        label = f"{each.id} ({each.type.removeprefix('AWS::')})"
        if not each.holds:
            continue
        if each.action is ResourceAction.REMOVE:
            yield Loss(f"remove {label}", "the app no longer makes it")
        elif each.replacement is Replacement.YES:
            yield Loss(f"replace {label}", each.because)
        elif each.action is ResourceAction.MODIFY and each.type in _VERSIONED:
            versions = _version(old[each.id]), _version(new[each.id])
            if _is_older(versions[1], versions[0]):
                because = f"its version would go from {versions[0]} to {versions[1]}, and AWS never goes back"
                yield Loss(f"set back {label}", because)


def resource_changes(deployed: Template | None, wanted: Template) -> tuple[ResourceChange, ...]:
    """Return what an update from `deployed` to `wanted` does to each resource, by logical id.

    What is made anew is told of types that hold data; of others only that it is not, where no property changes.
    """
    old: Mapping[str, Resource] = (deployed or {}).get("Resources", {})
    new: Mapping[str, Resource] = wanted.get("Resources", {})
    replaced = _replaced(old, new)
    found = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after and name not in replaced:
            continue
        if before is None:
            assert after is not None
            kind = str(after.get("Type", ""))
            found.append(ResourceChange(name, kind, ResourceAction.ADD, holds=holds(kind, after)))
        elif after is None:
            kind = str(before.get("Type", ""))
            found.append(ResourceChange(name, kind, ResourceAction.REMOVE, holds=holds(kind, before)))
        else:
            found.append(_modified(name, before, after, replaced))
    return tuple(found)


def _modified(
    name: str, before: Resource, after: Resource, replaced: Mapping[str, tuple[Replacement, str]]
) -> ResourceChange:
    kind = str(before.get("Type", ""))
    replacement, because = replaced.get(name, (Replacement.NO, ""))
    return ResourceChange(
        name,
        kind,
        ResourceAction.MODIFY,
        replacement,
        _scope(before, after),
        because,
        holds(kind, before),
    )


def _scope(before: Resource, after: Resource) -> tuple[str, ...]:
    """Return what differs between two forms of a resource: its properties by name, and its other attributes."""
    old, new = before.get("Properties", {}), after.get("Properties", {})
    properties = [
        f"Properties.{key}" for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)
    ]
    others = ("Type", *_SECTIONS)
    return (*properties, *(key for key in others if before.get(key) != after.get(key)))


def _replaced(old: Mapping[str, Resource], new: Mapping[str, Resource]) -> dict[str, tuple[Replacement, str]]:
    """Return, by logical id, which resources are replaced, or may be, and why; those that refer to such, too."""
    both = sorted(old.keys() & new.keys())
    found = {
        name: (Replacement.UNKNOWN, "")
        for name in both
        if _create_only(old[name].get("Type", "")) is None
        and old[name].get("Properties", {}) != new[name].get("Properties", {})
    }
    while True:
        more: dict[str, tuple[Replacement, str]] = {}
        for name in both:
            replacement, why = _why_replaced(old[name], new[name], found)
            known = found.get(name, (Replacement.NO, ""))[0]
            if why and known is not replacement and known is not Replacement.YES:
                more[name] = (replacement, why)
        if not more:
            return found
        found |= more


def _why_replaced(
    before: Resource, after: Resource, replaced: Mapping[str, tuple[Replacement, str]]
) -> tuple[Replacement, str]:
    kind = before.get("Type", "")
    if after.get("Type") != kind:
        return Replacement.YES, f"its type would become {after.get('Type')}"
    perhaps = ""
    for path in _create_only(kind) or ():
        was, will = _at(before, path), _at(after, path)
        if was != will:
            change = f"{path} would change from {_text(was)} to {_text(will)}"
            why = f"{change}, and is set at its creation alone{_KEPT_BY.get((kind, path), '')}"
            return Replacement.YES, why
        for name in sorted(replaced):
            if _refers(will, name):
                if replaced[name][0] is Replacement.YES:
                    return Replacement.YES, f"{path} is that of {name}, which would be replaced"
                perhaps = perhaps or f"{path} is that of {name}, which may be replaced"
    return Replacement.PERHAPS, perhaps


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
