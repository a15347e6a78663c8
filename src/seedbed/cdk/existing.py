"""A network that is there already, or that another stack of the app makes, for an environment's servers and tasks."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from seedbed.cdk.network import Network
from seedbed.errors import UsageError
from seedbed.model.environment import Environment

_LEAST_ZONES = 2  # what Aurora's subnets have to lie in


class ExistingNetwork(Network):
    """A VPC of yours. Nothing is changed in it, and no endpoint is made: tasks need their own way to AWS.

    That is a NAT gateway, or the endpoints of ECR (`ecr.api`, `ecr.dkr`), logs, Secrets Manager, STS, S3 and DynamoDB.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        environment: Environment,
        vpc: ec2.IVpc,
        databases: ec2.SubnetSelection | None = None,
        tasks: ec2.SubnetSelection | None = None,
    ) -> None:
        """`databases`, `tasks`: the subnets of each, of which one in each zone is taken. Where they are not said,
        databases lie in isolated subnets, else in private ones, and tasks the other way round. Raises UsageError where
        there are none.
        """
        Construct.__init__(self, scope, id)
        self.environment = environment
        self.vpc = vpc
        isolated, private = bool(vpc.isolated_subnets), bool(vpc.private_subnets)
        closed, open_ = ec2.SubnetType.PRIVATE_ISOLATED, ec2.SubnetType.PRIVATE_WITH_EGRESS
        if not (isolated or private) and not (databases and tasks):
            raise UsageError(
                f"the VPC for {environment.name} has no private subnet",
                because="servers and tasks have no public address",
                try_="name subnets: platform_stacks(…, database_subnets=…, task_subnets=…)",
            )
        self.databases = self._one_per_zone(
            databases or ec2.SubnetSelection(subnet_type=closed if isolated else open_)
        )
        self.tasks = self._one_per_zone(
            tasks or ec2.SubnetSelection(subnet_type=open_ if private else closed)
        )
        zones = {str(each.availability_zone) for each in self.subnets(self.databases)}
        if len(zones) < _LEAST_ZONES:
            raise UsageError(
                f"the subnets for the databases of {environment.name} lie in {len(zones)} zone",
                because=f"Aurora takes subnets in {_LEAST_ZONES} zones or more",
                try_="name subnets of another zone as well: platform_stacks(…, database_subnets=…)",
            )

    def _one_per_zone(self, said: ec2.SubnetSelection) -> ec2.SubnetSelection:
        by_zone = {str(each.availability_zone): each for each in reversed(self.subnets(said))}
        return ec2.SubnetSelection(subnets=list(reversed(by_zone.values())))
