"""The network that an environment's servers and tasks share."""

from __future__ import annotations

from typing import Any

from aws_cdk import Fn, Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from seedbed.model.environment import Environment, is_ephemeral

_ADDRESSES = "10.0.0.0/16"
# What a task needs before its first line runs (image, secrets, log), and whom seedbed asks who it is.
_ENDPOINTS = ("ECR", "ECR_DOCKER", "CLOUDWATCH_LOGS", "SECRETS_MANAGER", "STS")


class NetworkStack(Stack):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """A stack whose availability zones are found by CloudFormation.

    The CDK would look them up while it synthesises, which takes credentials for the account.
    """

    def __init__(self, scope: Construct, id: str, **properties: Any) -> None:  # noqa: A002  what every construct calls it
        super().__init__(scope, id, **properties)

    @property
    def availability_zones(self) -> list[str]:
        return [Fn.select(number, Fn.get_azs()) for number in range(3)]


class Network(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """A VPC with subnets that nothing outside can reach.

    An ephemeral one has two zones, no NAT gateway, no internet: nothing in it costs money by the hour. Others reach out
    through NAT gateways: one, or one per zone where protected. S3 and DynamoDB are reached through gateway endpoints,
    which are free.
    `with_tasks`: where there is no NAT, make the interface endpoints that an ECS task needs, in one zone; these do
    cost by the hour.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        environment: Environment,
        with_tasks: bool = False,
    ) -> None:
        super().__init__(scope, id)
        is_closed = is_ephemeral(environment)
        zones = 3 if environment.protected else 2
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(_ADDRESSES),
            max_azs=zones,
            nat_gateways=0 if is_closed else zones if environment.protected else 1,
            restrict_default_security_group=False,  # nothing uses it, and emptying it takes a Lambda function
            subnet_configuration=_closed() if is_closed else _open(),
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
        )
        self.databases = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        self.tasks = (
            self.databases
            if is_closed
            else ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
        )
        if is_closed and with_tasks:
            self._make_endpoints()

    def _make_endpoints(self) -> None:
        group = ec2.SecurityGroup(
            self, "Endpoints", vpc=self.vpc, allow_all_outbound=False, description="AWS from inside"
        )
        group.add_ingress_rule(ec2.Peer.ipv4(_ADDRESSES), ec2.Port.tcp(443), "HTTPS of the network")
        for name in _ENDPOINTS:
            self.vpc.add_interface_endpoint(
                name.title().replace("_", ""),
                service=getattr(ec2.InterfaceVpcEndpointAwsService, name),
                subnets=ec2.SubnetSelection(subnets=[self.vpc.isolated_subnets[0]]),
                security_groups=[group],
                open=False,
            )


def _closed() -> list[ec2.SubnetConfiguration]:
    return [_subnets("Databases", ec2.SubnetType.PRIVATE_ISOLATED)]


def _open() -> list[ec2.SubnetConfiguration]:
    return [
        _subnets("Gateways", ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False),
        _subnets("Tasks", ec2.SubnetType.PRIVATE_WITH_EGRESS),
        _subnets("Databases", ec2.SubnetType.PRIVATE_ISOLATED),
    ]


def _subnets(name: str, type_: ec2.SubnetType, **more: Any) -> ec2.SubnetConfiguration:
    return ec2.SubnetConfiguration(name=name, subnet_type=type_, cidr_mask=22, **more)
