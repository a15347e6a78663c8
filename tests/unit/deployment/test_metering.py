"""What the resources of a template are billed by."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.deployment.metering import inventory
from seedbed.model.cost import Inventory, Meter, Metered


def of(*resources: dict[str, Any], **named: dict[str, Any]) -> Inventory:
    """Return what one stack of these resources has."""
    made = {**{f"R{number}": each for number, each in enumerate(resources)}, **named}
    return inventory("dev-ana", "", "eu-central-1", [{"Resources": made}], is_deployed=True)


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def units(found: Inventory) -> dict[str, tuple[float, float]]:
    return {each.what: (each.idle, each.used) for each in found.metered}


def test_an_interface_endpoint_is_paid_for_in_each_zone_and_one_of_a_gateway_is_free() -> None:
    inside = resource("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=[{"Ref": "A"}, {"Ref": "B"}])
    gateway = resource("EC2::VPCEndpoint", VpcEndpointType="Gateway", RouteTableIds=["rtb-1"])
    found = of(inside, gateway, resource("EC2::VPCEndpoint"))
    assert found.metered == (
        Metered("interface endpoint, a zone", Meter("AmazonVPC", "VpcEndpoint-Hours"), 2, 2),
    )
    assert found.resources == 3


def test_a_kind_stands_once_however_many_stacks_have_it() -> None:
    templates = [{"Resources": {"A": resource("SecretsManager::Secret")}}] * 3
    found = inventory("dev-ana", "shared-dev", "eu-central-1", templates, is_deployed=False)
    assert units(found) == {"secret": (3, 3)}
    assert (found.stacks, found.resources, found.base, found.is_deployed) == (3, 3, "shared-dev", False)


@pytest.mark.parametrize(
    ("least", "most", "idle", "used"),
    [(0, 4, 0, 1), (0.5, 4, 0.5, 1), (2, 8, 2, 2), (0, 0.5, 0, 0.5)],
)
def test_a_cluster_that_scales_is_used_within_its_limits(
    least: float, most: float, idle: float, used: float
) -> None:
    scaling = {"MinCapacity": least, "MaxCapacity": most}
    cluster = resource("RDS::DBCluster", Engine="aurora-postgresql", ServerlessV2ScalingConfiguration=scaling)
    writer = resource(
        "RDS::DBInstance", DBInstanceClass="db.serverless", DBClusterIdentifier={"Ref": "Cluster"}
    )
    found = of(Cluster=cluster, Writer=writer)
    [unit] = found.metered
    assert (unit.idle, unit.used) == (idle, used)
    assert unit.meter == Meter(
        "AmazonRDS", "Aurora:ServerlessV2Usage", having=(("databaseEngine", "aurora-postgresql"),)
    )
    assert found.by_use == ("AWS::RDS::DBCluster",)


def test_instances_of_a_cluster_cost_day_and_night_each_of_its_class() -> None:
    cluster = resource("RDS::DBCluster", Engine="aurora-postgresql", StorageType="aurora-iopt1")
    instance = resource(
        "RDS::DBInstance", DBInstanceClass="db.r7g.large", DBClusterIdentifier={"Ref": "Cluster"}
    )
    [found] = of(Cluster=cluster, Writer=instance, Reader=instance).metered
    assert (found.what, found.idle, found.used) == ("Aurora instance, db.r7g.large", 2, 2)
    assert found.meter is not None
    assert found.meter.usage == "InstanceUsageIOOptimized:db.r7g.large"


def test_a_domain_has_nodes_masters_and_volumes() -> None:
    config = {
        "InstanceType": "r7g.large.search",
        "InstanceCount": 3,
        "DedicatedMasterEnabled": True,
        "DedicatedMasterType": "m7g.medium.search",
        "DedicatedMasterCount": 3,
    }
    volume = {"EBSEnabled": True, "VolumeSize": 100, "VolumeType": "gp3"}
    found = of(resource("OpenSearchService::Domain", ClusterConfig=config, EBSOptions=volume))
    assert units(found) == {
        "search node, r7g.large.search": (3, 3),
        "search node, m7g.medium.search": (3, 3),
        "search volume, GB of gp3": (300, 300),
    }
    meters = [each.meter for each in found.metered]
    assert Meter("AmazonES", "ESInstance:r7g.large") in meters
    assert Meter("AmazonES", "ES:GP3-Storage", "month") in meters


def test_a_service_keeps_its_task_running_and_a_task_alone_runs_now_and_then() -> None:
    arm = {"CpuArchitecture": "ARM64"}
    graph = resource("ECS::TaskDefinition", Cpu="512", Memory="2048", RuntimePlatform=arm)
    service = resource("ECS::Service", TaskDefinition={"Ref": "Graph"}, DesiredCount=1)
    task = resource("ECS::TaskDefinition", Cpu="512", Memory="1024")
    found = of(Graph=graph, Service=service, Task=task)
    assert units(found) == {
        "Fargate service, vCPU": (0.5, 0.5),
        "Fargate service, GB": (2, 2),
        "Fargate task, vCPU": (0, 0.05),
        "Fargate task, GB": (0, 0.1),
    }
    meters = {each.what: each.meter for each in found.metered}
    assert meters["Fargate service, vCPU"] == Meter("AmazonECS", "Fargate-ARM-vCPU-Hours:perCPU")
    assert meters["Fargate task, GB"] == Meter("AmazonECS", "Fargate-GB-Hours")


def test_a_gateway_has_an_address_and_a_zone_has_one_price_for_the_world() -> None:
    found = of(
        resource("EC2::NatGateway"),
        resource("EC2::EIP"),
        resource("ServiceDiscovery::PrivateDnsNamespace"),
        resource("KMS::Key"),
    )
    assert [each.meter for each in found.metered] == [
        Meter("AmazonEC2", "NatGateway-Hours"),
        Meter("AmazonVPC", "PublicIPv4:InUseAddress"),
        Meter("AmazonRoute53", "HostedZone", "month", is_regional=False),
        Meter("awskms", "KMS-Keys", "month"),
    ]


def test_what_costs_by_use_is_named_and_what_is_free_is_not() -> None:
    found = of(
        resource("DynamoDB::Table", BillingMode="PAY_PER_REQUEST"),
        resource("S3::Bucket"),
        resource("IAM::Role"),
        resource("SSM::Parameter", Value="1"),
        resource("EC2::SubnetRouteTableAssociation"),
        resource("ECS::Cluster"),
        {"Type": "Custom::S3AutoDeleteObjects", "Properties": {}},  # its function is paid for by use
    )
    assert found.metered == ()
    assert found.by_use == ("AWS::DynamoDB::Table", "AWS::S3::Bucket")


def test_a_volume_or_a_warm_node_of_a_domain_that_has_no_known_price_is_told() -> None:
    config = {"InstanceType": "t3.small.search", "WarmEnabled": True, "WarmCount": 3}
    volume = {"EBSEnabled": True, "VolumeType": "gp3"}
    found = of(resource("OpenSearchService::Domain", ClusterConfig=config, EBSOptions=volume))
    assert {each.what: each.idle for each in found.metered if each.meter is None} == {
        "search nodes that are warm": 3,
        "search volume, of a size or kind that is not in its template": 1,
    }


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (resource("MSK::Cluster"), "AWS::MSK::Cluster"),
        (resource("SSM::Parameter", Tier="Advanced"), "AWS::SSM::Parameter, advanced"),
        (resource("DynamoDB::Table"), "AWS::DynamoDB::Table, provisioned"),
        (resource("RDS::DBInstance", DBInstanceClass="db.t4g.micro"), "db.t4g.micro, not in a cluster"),
        (
            resource("OpenSearchService::Domain", ClusterConfig={"InstanceCount": {"Ref": "Nodes"}}),
            "AWS::OpenSearchService::Domain, of a size that is not in its template",
        ),
        (
            resource("ECS::Service", TaskDefinition={"Fn::ImportValue": "x"}),
            "service whose task is not in its stack",
        ),
        (
            resource("ECS::TaskDefinition", Memory="512"),
            "AWS::ECS::TaskDefinition, of a size that is not in its template",
        ),
    ],
    ids=["type", "tier", "capacity", "instance", "size", "service", "task"],
)
def test_what_is_not_known_is_never_taken_for_free(one: dict[str, Any], told: str) -> None:
    assert of(one).metered == (Metered(told, None, 1, 1),)
