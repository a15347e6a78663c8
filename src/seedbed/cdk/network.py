"""The network that an environment's servers and tasks share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import Aws, CfnResource, Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_servicediscovery as servicediscovery
from constructs import Construct

from seedbed.errors import UsageError
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.network import ADDRESSES, is_zone_id, subnet_prefix, wrong_addresses, wrong_zones

# What a task needs before its first line runs (image, secrets, log), and whom seedbed asks who it is.
_ENDPOINTS = ("ECR", "ECR_DOCKER", "CLOUDWATCH_LOGS", "SECRETS_MANAGER", "STS")
_DOOR = "SSM_MESSAGES"  # over which the Session Manager reaches into a task


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
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        environment: Environment,
        with_tasks: bool = False,
        with_door: bool = False,
        cidr: str = "",
        zones: Sequence[str] = (),
    ) -> None:
        """`with_tasks`: where there is no NAT, make the interface endpoints that an ECS task needs, in one zone; these
        do cost by the hour.

        `with_door`: these, and the one over which the Session Manager reaches into a task: for ECS Exec, and for ports
        that are forwarded. `cidr`: its addresses, 10.0.0.0/16 where it is not said. `zones`: its two or three
        availability zones, all by ids (`euc1-az1`) or all by names; the first of the region where they are not said,
        and which these are is for CloudFormation to find. Raises UsageError for what AWS would not make.
        """
        super().__init__(scope, id)
        self.environment = environment
        self.cidr = cidr or ADDRESSES
        is_closed = is_ephemeral(environment)
        _require_possible(self.cidr, zones, environment)
        count = len(zones) or (3 if environment.protected else 2)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(self.cidr),
            max_azs=count,
            nat_gateways=0 if is_closed else count if environment.protected else 1,
            restrict_default_security_group=False,  # nothing uses it, and emptying it takes a Lambda function
            subnet_configuration=_subnets(subnet_prefix(self.cidr), is_closed=is_closed),
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
        self._place_in(zones)
        if is_closed and (with_tasks or with_door):
            self._make_endpoints((*_ENDPOINTS, _DOOR) if with_door else _ENDPOINTS)

    def subnets(self, which: ec2.SubnetSelection) -> list[ec2.ISubnet]:
        """Return the subnets that `databases`, or `tasks`, stands for."""
        found = self.vpc.select_subnets(
            availability_zones=which.availability_zones,
            one_per_az=which.one_per_az,
            subnet_filters=which.subnet_filters,
            subnet_group_name=which.subnet_group_name,
            subnets=which.subnets,
            subnet_type=which.subnet_type,
        )
        return list(found.subnets)

    def zone(self, platform: str) -> str:
        """Return the name of the zone that `names` has."""
        return zone(platform, self.environment.name)

    def names(self, platform: str) -> servicediscovery.IPrivateDnsNamespace:
        """Return the namespace for servers without a name of AWS's own: one for all, made for the first."""
        name = self.zone(platform)
        found = self.node.try_find_child("Names")
        return found or servicediscovery.PrivateDnsNamespace(self, "Names", name=name, vpc=self.vpc)

    def let_domains_log(self) -> None:
        """Let the OpenSearch domains of this account write into its log groups; said once, however often it is asked.

        CloudWatch has ten such policies for each account and region, so that there cannot be one for each domain.
        """
        if self.node.try_find_child("DomainsLog") is not None:
            return
        place = f"{Aws.REGION}:{Aws.ACCOUNT_ID}"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "es.amazonaws.com"},
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"arn:{Aws.PARTITION}:logs:{place}:log-group:*",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                "ArnLike": {"aws:SourceArn": f"arn:{Aws.PARTITION}:es:{place}:domain/*"},
            },
        }
        document = {"Version": "2012-10-17", "Statement": [statement]}
        CfnResource(
            self,
            "DomainsLog",
            type="AWS::Logs::ResourcePolicy",
            properties={
                "PolicyName": f"{Stack.of(self).stack_name}-opensearch",
                "PolicyDocument": Stack.of(self).to_json_string(document),
            },
        )

    def _place_in(self, zones: Sequence[str]) -> None:
        """Name the zone of each subnet, in place of the first, second and third of whatever the region has."""
        # On the resources: a construct that is handed zones looks them up, which takes credentials for the account.
        for group in (self.vpc.public_subnets, self.vpc.private_subnets, self.vpc.isolated_subnets):
            for subnet, zone in zip(group, zones, strict=False):
                resource = subnet.node.default_child
                resource.availability_zone = None if is_zone_id(zone) else zone
                resource.availability_zone_id = zone if is_zone_id(zone) else None

    def _make_endpoints(self, names: Sequence[str]) -> None:
        group = ec2.SecurityGroup(
            self, "Endpoints", vpc=self.vpc, allow_all_outbound=False, description="AWS from inside"
        )
        group.add_ingress_rule(ec2.Peer.ipv4(self.cidr), ec2.Port.tcp(443), "HTTPS of the network")
        for name in names:
            self.vpc.add_interface_endpoint(
                name.title().replace("_", ""),
                service=getattr(ec2.InterfaceVpcEndpointAwsService, name),
                subnets=ec2.SubnetSelection(subnets=[self.vpc.isolated_subnets[0]]),
                security_groups=[group],
                open=False,
            )


def zone(platform: str, environment: str) -> str:
    """Return the name of an environment's private zone: `dev-ana.edtech.internal`."""
    return f"{environment}.{platform}.internal"


def _require_possible(cidr: str, zones: Sequence[str], environment: Environment) -> None:
    for key, value, wrong in (
        ("cidr", cidr, wrong_addresses(cidr)),
        ("zones", ",".join(zones), wrong_zones(list(zones), environment.region) if zones else ""),
    ):
        if wrong:
            raise UsageError(
                f"{key}={value} is no network for {environment.name}",
                because=wrong,
                try_=f"write it into [environments.{environment.name}.network], or after cdk deploy -c {key}=",
            )


def _subnets(prefix: int, *, is_closed: bool) -> list[ec2.SubnetConfiguration]:
    databases = ec2.SubnetConfiguration(
        name="Databases", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=prefix
    )
    if is_closed:
        return [databases]
    return [
        ec2.SubnetConfiguration(
            name="Gateways",
            subnet_type=ec2.SubnetType.PUBLIC,
            cidr_mask=prefix,
            map_public_ip_on_launch=False,
        ),
        ec2.SubnetConfiguration(
            name="Tasks", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=prefix
        ),
        databases,
    ]
