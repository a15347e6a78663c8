"""What is left in an account of the emulator, service by service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.aws_clients import client

# What an account is prepared for the CDK with, once and for all, and the gateway of the network that every one has.
_NOT_OURS = ("CDKToolkit", "cdk-", "/cdk-bootstrap/", "igw-00000001")
_LISTS = {
    "stack": ("cloudformation", "describe_stacks", "Stacks", "StackName"),
    "table": ("dynamodb", "list_tables", "TableNames", ""),
    "backup": ("dynamodb", "list_backups", "BackupSummaries", "BackupName"),
    "cluster": ("rds", "describe_db_clusters", "DBClusters", "DBClusterIdentifier"),
    "database instance": ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    "subnet group": ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
    "parameter group": (
        "rds",
        "describe_db_cluster_parameter_groups",
        "DBClusterParameterGroups",
        "DBClusterParameterGroupName",
    ),
    "snapshot": (
        "rds",
        "describe_db_cluster_snapshots",
        "DBClusterSnapshots",
        "DBClusterSnapshotIdentifier",
    ),
    "domain": ("opensearch", "list_domain_names", "DomainNames", "DomainName"),
    "endpoint": ("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    "NAT gateway": ("ec2", "describe_nat_gateways", "NatGateways", "NatGatewayId"),
    "address": ("ec2", "describe_addresses", "Addresses", "PublicIp"),
    "file system": ("efs", "describe_file_systems", "FileSystems", "FileSystemId"),
    "log group": ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "parameter": ("ssm", "describe_parameters", "Parameters", "Name"),
    "secret": ("secretsmanager", "list_secrets", "SecretList", "Name"),
    "bucket": ("s3", "list_buckets", "Buckets", "Name"),
    "role": ("iam", "list_roles", "Roles", "RoleName"),
    "namespace": ("servicediscovery", "list_namespaces", "Namespaces", "Name"),
    "task definition": ("ecs", "list_task_definitions", "taskDefinitionArns", ""),
}


def leftovers(world: World) -> dict[str, list[str]]:
    """Return the names of all that there is, by kind; kinds of which there is nothing are left out.

    Not listed: what the account is prepared for the CDK with, and the network that every account has.
    """

    def ask(service: str, operation: str, **parameters: Any) -> Any:
        made = client(service, world.region, world.endpoint, world.account)
        return getattr(made, operation)(**parameters)

    found = {
        kind: [str(each[name] if name else each) for each in _all(ask, service, operation, key)]
        for kind, (service, operation, key, name) in _LISTS.items()
    }
    arns = ask("ecs", "list_clusters")["clusterArns"]
    if arns:
        clusters = ask("ecs", "describe_clusters", clusters=arns)["clusters"]
        found["cluster of tasks"] = [each["clusterName"] for each in clusters if each["status"] == "ACTIVE"]
    found |= _networks(ask)
    ours = {
        kind: sorted(each for each in names if not each.startswith(_NOT_OURS))
        for kind, names in found.items()
    }
    return {kind: names for kind, names in ours.items() if names}


def _all(ask: Callable[..., Any], service: str, operation: str, key: str) -> Iterator[Any]:
    """Yield what a call lists, page by page."""
    more: dict[str, Any] = {}
    while True:
        answer = ask(service, operation, **more)
        yield from answer[key]
        token = next((each for each in ("NextToken", "nextToken", "Marker") if answer.get(each)), "")
        if not token:
            return
        more = {token: answer[token]}


def _networks(ask: Callable[..., Any]) -> Mapping[str, list[str]]:
    """Return the networks that are nobody's default, and what is in them."""
    networks = ask("ec2", "describe_vpcs")["Vpcs"]
    defaults = {each["VpcId"] for each in networks if each.get("IsDefault")}
    found = {"network": [each["VpcId"] for each in networks if each["VpcId"] not in defaults]}
    for kind, operation, key, name in (
        ("subnet", "describe_subnets", "Subnets", "SubnetId"),
        ("security group", "describe_security_groups", "SecurityGroups", "GroupName"),
        ("internet gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
        ("route table", "describe_route_tables", "RouteTables", "RouteTableId"),
    ):
        found[kind] = [each[name] for each in ask("ec2", operation)[key] if each.get("VpcId") not in defaults]
    return found


def _where(thing: Mapping[str, Any]) -> set[str]:
    """Return the networks that something is in, or attached to."""
    places = [thing, *thing.get("Attachments", ())]
    return {each["VpcId"] for each in places if "VpcId" in each}
