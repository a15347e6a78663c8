"""The platform's stacks in an app that has a network, tags and stacks of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedbed.errors import UsageError
from tests.unit.cdk.conftest import EDTECH, GRAPH_IMAGE, IMAGE, Stacks, flags, stacks

POSTGRES = "[services.user.postgres]\n"


@pytest.fixture(scope="module")
def company(with_node: None) -> Stacks:
    """Edtech's staging in the app of a company: a VPC of the app's own, and tags on everything."""
    import aws_cdk as cdk
    from aws_cdk import aws_ec2 as ec2

    from seedbed.cdk import platform_stacks

    images = {"image": IMAGE, "graph-image": GRAPH_IMAGE}
    tags_reach_stacks = {"@aws-cdk/core:explicitStackTags": False}
    app = cdk.App(
        analytics_reporting=False,
        context={**flags(), **images, **tags_reach_stacks, "environment": "staging"},
    )
    place = cdk.Environment(account="222222222222", region="eu-central-1")
    stack = cdk.Stack(app, "company-network", env=place, analytics_reporting=False)
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0000000a",
        availability_zones=["eu-central-1a", "eu-central-1b"],
        private_subnet_ids=["subnet-0000000a", "subnet-0000000b"],
        isolated_subnet_ids=["subnet-0000000c", "subnet-0000000d"],
    )
    parameter = {"Type": "String", "Value": "theirs"}
    cdk.CfnResource(stack, "Theirs", type="AWS::SSM::Parameter", properties=parameter)
    cdk.Tags.of(app).add("environment", "Staging/EU")
    cdk.Tags.of(app).add("cost-centre", "42")
    made = platform_stacks(app, EDTECH / "seedbed.toml", vpc=vpc)
    assert made.network
    made.postgres["user"].cluster.add_rotation_single_user(vpc_subnets=made.network.tasks)
    told = [str(each.entry.data) for stack in app.synth().stacks for each in stack.messages]
    assert [each for each in told if "routeTableId" in each]  # of the subnets above
    assert [each for each in told if "Egress" in each] == []  # nobody is to do anything about it
    return stacks(app)


def test_everything_lies_in_the_network_that_is_there_and_none_is_made(company: Stacks) -> None:
    made = {
        each["Type"] for stack in company.values() for each in stack.template.get("Resources", {}).values()
    }
    assert {"AWS::RDS::DBCluster", "AWS::OpenSearchService::Domain", "AWS::EFS::FileSystem"} <= made
    assert not made & {"AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::NatGateway", "AWS::EC2::VPCEndpoint"}
    assert company["edtech-staging-user-postgres"].one("RDS::DBSubnetGroup")["SubnetIds"] == [
        "subnet-0000000c",
        "subnet-0000000d",
    ]
    domain = company["edtech-staging-ai-opensearch"].one("OpenSearchService::Domain")
    assert domain["VPCOptions"]["SubnetIds"] == ["subnet-0000000c", "subnet-0000000d"]
    task = company["edtech-staging-seedbed-task"].settings("/edtech/staging/seedbed/task")
    assert task["subnets"] == "subnet-0000000a,subnet-0000000b"
    network = company["edtech-staging-network"]
    assert network.parameters()["/edtech/staging/seedbed/network/vpc"] == "vpc-0000000a"
    assert network.resources("ServiceDiscovery::PrivateDnsNamespace")


def test_stacks_are_known_by_their_tags_whatever_the_app_tags_everything_with(company: Stacks) -> None:
    for name, each in company.items():
        own = name.startswith("edtech-staging-")
        assert each.tags["environment"] == ("staging" if own else "Staging/EU"), name
        assert (each.tags.get("managed-by"), each.tags["cost-centre"]) == ("seedbed" if own else None, "42")


def test_what_rotates_a_password_lies_where_something_leads_to_aws(company: Stacks) -> None:
    rotation = company["edtech-staging-user-postgres"].one("Serverless::Application")
    assert rotation["Parameters"]["vpcSubnetIds"] == "subnet-0000000a,subnet-0000000b"


@pytest.mark.parametrize(
    ("subnets", "said"),
    [
        ({"public_subnet_ids": ["subnet-0000000a", "subnet-0000000b"]}, "has no private subnet"),
        ({"isolated_subnet_ids": ["subnet-0000000a"]}, "lie in 1 zone"),
    ],
)
def test_a_network_in_which_servers_have_no_place_is_refused(
    small: Callable[..., Path], with_node: None, subnets: dict[str, Any], said: str
) -> None:
    import aws_cdk as cdk
    from aws_cdk import aws_ec2 as ec2

    from seedbed.cdk import platform_stacks

    app = cdk.App(analytics_reporting=False, context={"environment": "dev-ana"})
    zones = [f"eu-central-1{each}" for each, _ in zip("ab", *subnets.values(), strict=False)]
    vpc = ec2.Vpc.from_vpc_attributes(
        cdk.Stack(app, "company"), "Vpc", vpc_id="vpc-0000000a", availability_zones=zones, **subnets
    )
    with pytest.raises(UsageError, match=said):
        platform_stacks(app, small(services=POSTGRES), vpc=vpc)
