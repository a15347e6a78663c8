"""What the resources of stacks are billed by: from templates to what is paid for by the hour or by the month.

Usage types are those of AWS's price list. A type of resource that is in none of the tables here is not taken for free:
it is told as one whose price is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.model.cost import Inventory, Meter, Metered
from seedbed.model.deployment import Template

Resource = Mapping[str, Any]
Properties = Mapping[str, Any]

USED_ACU = 1.0  # units of capacity that a cluster is taken to have while it is used, within its own limits
TASK_SHARE = 0.1  # of the time that an environment is used, a task that no service keeps is taken to run
_TABLE = re.compile(r"::(Global)?Table$")
_BY_USE = {
    "AWS::CloudWatch::Alarm",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::Events::Rule",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::Pipes::Pipe",
    "AWS::RDS::DBCluster",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::Scheduler::Schedule",
}
_FREE = re.compile(
    r"Custom::.+|AWS::(IAM|CDK|CloudFormation)::\w+"
    r"|AWS::EC2::(VPC|VPCGatewayAttachment|InternetGateway|Subnet\w*|RouteTable|Route|SecurityGroup\w*|NetworkAcl\w*"
    r"|DHCPOptions|VPCDHCPOptionsAssociation)"
    r"|AWS::RDS::(DBSubnetGroup|DBClusterParameterGroup|DBParameterGroup)"
    r"|AWS::SecretsManager::(SecretTargetAttachment|RotationSchedule|ResourcePolicy)"
    r"|AWS::ECS::(Cluster|TaskDefinition|ClusterCapacityProviderAssociations)"
    r"|AWS::EFS::(MountTarget|AccessPoint)|AWS::ServiceDiscovery::Service|AWS::Scheduler::ScheduleGroup"
    r"|AWS::S3::BucketPolicy|AWS::Logs::(ResourcePolicy|LogStream)|AWS::KMS::Alias|AWS::Lambda::Permission"
    r"|AWS::SQS::QueuePolicy|AWS::SNS::(Subscription|TopicPolicy)"
)


class _Found(Struct, frozen=True):
    """One resource, and the others of its stack."""

    id: str
    properties: Properties
    beside: Mapping[str, Resource]


class _Unsaid(Exception):
    """A template leaves a number to something that is not in it."""


def inventory(
    environment: str, base: str, region: str, templates: Sequence[Template], *, is_deployed: bool
) -> Inventory:
    """Return what the stacks of an environment have, each kind once."""
    sums: dict[tuple[str, Meter | None], tuple[float, float]] = {}
    by_use: set[str] = set()
    for template in templates:
        for each in _metered(template):
            idle, used = sums.get((each.what, each.meter), (0.0, 0.0))
            sums[each.what, each.meter] = (idle + each.idle, used + each.used)
        by_use |= {kind for kind in _types(template) if kind in _BY_USE or _TABLE.search(kind)}
    return Inventory(
        environment,
        base,
        region,
        is_deployed,
        len(templates),
        sum(len(each.get("Resources", {})) for each in templates),
        tuple(Metered(what, meter, *units) for (what, meter), units in sums.items()),
        tuple(sorted(by_use)),
    )


def _types(template: Template) -> Iterator[str]:
    return (str(each.get("Type", "")) for each in template.get("Resources", {}).values())


def _metered(template: Template) -> Iterator[Metered]:
    resources: Mapping[str, Resource] = template.get("Resources", {})
    for name, resource in resources.items():
        kind = str(resource.get("Type", ""))
        properties = resource.get("Properties", {})
        if reader := _READERS.get(kind):
            try:
                yield from list(reader(_Found(name, properties, resources)))
            except _Unsaid:
                yield _always(f"{kind}, of a size that is not in its template", None)
        elif _TABLE.search(kind):
            yield from _table(kind, properties)
        elif kind == "AWS::SSM::Parameter":
            if properties.get("Tier", "Standard") != "Standard":
                yield _always(f"{kind}, advanced", None)
        elif kind not in _BY_USE and not _FREE.fullmatch(kind):
            yield _always(kind, None)


def _always(what: str, meter: Meter | None, units: float = 1.0) -> Metered:
    """Return what is there day and night."""
    return Metered(what, meter, units, units)


def _endpoint(found: _Found) -> Iterable[Metered]:
    """An interface endpoint is paid for in each zone; one of a gateway is free."""
    if found.properties.get("VpcEndpointType", "Gateway") != "Gateway":
        subnets = found.properties.get("SubnetIds", ())
        if not isinstance(subnets, list):
            raise _Unsaid
        zones = len(subnets) or 1
        yield _always("interface endpoint, a zone", Meter("AmazonVPC", "VpcEndpoint-Hours"), zones)


def _nat(_: _Found) -> Iterable[Metered]:
    yield _always("NAT gateway", Meter("AmazonEC2", "NatGateway-Hours"))


def _address(_: _Found) -> Iterable[Metered]:
    yield _always("public IPv4 address", Meter("AmazonVPC", "PublicIPv4:InUseAddress"))


def _secret(_: _Found) -> Iterable[Metered]:
    yield _always("secret", Meter("AWSSecretsManager", "AWSSecretsManager-Secrets", "month"))


def _key(_: _Found) -> Iterable[Metered]:
    yield _always("KMS key", Meter("awskms", "KMS-Keys", "month"))


def _zone(_: _Found) -> Iterable[Metered]:
    yield _always("private DNS zone", Meter("AmazonRoute53", "HostedZone", "month", is_regional=False))


def _instance(found: _Found) -> Iterable[Metered]:
    """An instance of a cluster: what it scales between is said at the cluster."""
    kind = str(found.properties.get("DBInstanceClass", ""))
    cluster = _referred(found.properties.get("DBClusterIdentifier"), found.beside)
    engine = found.properties.get("Engine") or cluster.get("Engine", "")
    having = (("databaseEngine", str(engine)),)
    is_flat = cluster.get("StorageType") == "aurora-iopt1"
    if not cluster:
        yield _always(f"{kind}, not in a cluster", None)
    elif kind == "db.serverless":
        scaling = cluster.get("ServerlessV2ScalingConfiguration", {})
        least, most = (_number(scaling.get(key), otherwise) for key, otherwise in _CAPACITIES)
        usage = "Aurora:ServerlessV2IOOptimizedUsage" if is_flat else "Aurora:ServerlessV2Usage"
        used = min(most, max(least, USED_ACU))
        yield Metered("Aurora capacity unit", Meter("AmazonRDS", usage, having=having), least, used)
    else:
        usage = f"{'InstanceUsageIOOptimized' if is_flat else 'InstanceUsage'}:{kind}"
        yield _always(f"Aurora instance, {kind}", Meter("AmazonRDS", usage, having=having))


_CAPACITIES = (("MinCapacity", 0.5), ("MaxCapacity", USED_ACU))


def _domain(found: _Found) -> Iterable[Metered]:
    cluster = found.properties.get("ClusterConfig", {})
    nodes = _number(cluster.get("InstanceCount"), 1.0)
    yield _node(str(cluster.get("InstanceType", "")), nodes)
    if cluster.get("DedicatedMasterEnabled"):
        yield _node(
            str(cluster.get("DedicatedMasterType", "")), _number(cluster.get("DedicatedMasterCount"), 3.0)
        )
    if cluster.get("WarmEnabled"):
        yield _always("search nodes that are warm", None, _number(cluster.get("WarmCount"), 2.0))
    volume = found.properties.get("EBSOptions", {})
    if volume.get("EBSEnabled"):
        if volume.get("VolumeSize") is None or volume.get("VolumeType") is None:
            yield _always("search volume, of a size or kind that is not in its template", None, nodes)
            return
        kind, size = str(volume["VolumeType"]).upper(), _number(volume["VolumeSize"], 0.0) * nodes
        yield _always(
            f"search volume, GB of {kind.lower()}", Meter("AmazonES", f"ES:{kind}-Storage", "month"), size
        )


def _node(kind: str, count: float) -> Metered:
    # Of a usage type the ending of the instance is no part: ESInstance:t3.small
    usage = f"ESInstance:{kind.removesuffix('.search')}"
    return _always(f"search node, {kind}", Meter("AmazonES", usage), count)


def _service(found: _Found) -> Iterable[Metered]:
    """A service keeps its tasks running."""
    definition = _referred(found.properties.get("TaskDefinition"), found.beside)
    count = _number(found.properties.get("DesiredCount"), 1.0)
    if definition:
        yield from _task("service", definition, count, count)
    else:
        yield _always("service whose task is not in its stack", None, count)


def _definition(found: _Found) -> Iterable[Metered]:
    """A task that no service keeps runs now and then."""
    kept = any(
        _name(each.get("Properties", {}).get("TaskDefinition")) == found.id
        for each in found.beside.values()
        if each.get("Type") == "AWS::ECS::Service"
    )
    if not kept:
        yield from _task("task", found.properties, 0.0, TASK_SHARE)


def _task(what: str, definition: Properties, idle: float, used: float) -> Iterator[Metered]:
    if definition.get("Cpu") is None or definition.get("Memory") is None:
        raise _Unsaid
    cores, size = _number(definition["Cpu"], 0.0) / 1024, _number(definition["Memory"], 0.0) / 1024
    is_arm = definition.get("RuntimePlatform", {}).get("CpuArchitecture") == "ARM64"
    kind = "Fargate-ARM" if is_arm else "Fargate"
    for unit, usage, amount in (("vCPU", "vCPU-Hours:perCPU", cores), ("GB", "GB-Hours", size)):
        meter = Meter("AmazonECS", f"{kind}-{usage}")
        yield Metered(f"Fargate {what}, {unit}", meter, amount * idle, amount * used)


def _table(kind: str, properties: Properties) -> Iterator[Metered]:
    """On demand a table costs by what is done with it; with a capacity of its own it costs by the hour."""
    is_global = kind.endswith("::GlobalTable")
    billing = properties.get("BillingMode", "PROVISIONED")
    if billing != "PAY_PER_REQUEST" or is_global:
        yield _always(f"{kind}, {'global' if is_global else 'provisioned'}", None)


def _referred(value: Any, beside: Mapping[str, Resource]) -> Properties:
    """Return the properties of the resource that `value` refers to, in the same stack; none where there is none."""
    properties: Properties = beside.get(_name(value), {}).get("Properties", {})
    return properties


def _name(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    got = value.get("Fn::GetAtt", "")
    return str(value.get("Ref", "") or (got[0] if isinstance(got, list) and got else got.partition(".")[0]))


def _number(value: Any, otherwise: float) -> float:
    """Return a number of a template, `otherwise` where it says none. Raises _Unsaid where it refers to one."""
    try:
        return otherwise if value is None else float(value)
    except (TypeError, ValueError):
        raise _Unsaid from None


_READERS: Mapping[str, Callable[[_Found], Iterable[Metered]]] = {
    "AWS::EC2::EIP": _address,
    "AWS::EC2::NatGateway": _nat,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ECS::Service": _service,
    "AWS::ECS::TaskDefinition": _definition,
    "AWS::KMS::Key": _key,
    "AWS::OpenSearchService::Domain": _domain,
    "AWS::RDS::DBInstance": _instance,
    "AWS::Route53::HostedZone": _zone,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::ServiceDiscovery::PrivateDnsNamespace": _zone,
}
