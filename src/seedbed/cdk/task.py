"""seedbed itself as an ECS task, next to the databases that nothing outside can reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from seedbed.cdk.containers import log_driver, log_group, runtime_platform
from seedbed.cdk.control import Control
from seedbed.cdk.external import ExternalGraph
from seedbed.cdk.injecting import RDS_BUNDLE, Server, inject
from seedbed.cdk.network import Network
from seedbed.cdk.search import Search
from seedbed.cdk.settings import share, write_parameters
from seedbed.cdk.tables import ServiceTables
from seedbed.model.environment import Environment
from seedbed.model.names import (
    CONTROL_BUCKET,
    CONTROL_ENVIRONMENT,
    CONTROL_FILES,
    CONTROL_TABLE,
    parameter_path,
)

CONTAINER = "seedbed"
_PROGRAM = ("python", "-I", "-m", "seedbed.cli.travel.task")  # `python` is on the PATH of the image
PLATFORM = "/platform"  # where the image has seedbed.toml
_END = "--"  # of what the entry point says


class MigrationTask(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """A Fargate task that runs `seedbed apply` on `databases`, with the rights that this takes and no others.

    It has no public address. What starting one takes, and where it logs, is in the parameters `cluster`,
    `task-definition`, `container`, `subnets`, `security-group` and `log-group` below
    `/{platform}/{environment}/seedbed/task`.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
        databases: Sequence[ServiceTables | Server],
        network: Network,
        image: ecs.ContainerImage,
        control: Control | None = None,
        command: Sequence[str] = (),
        cluster: ecs.ICluster | None = None,
        ca_bundle: str = RDS_BUNDLE,
        architecture: str = "x86_64",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """`image`: for `architecture`; has on its PATH the `python` that seedbed is installed for, the platform in
        /platform, AWS's certificates at `ca_bundle`.

        `control`: where its runs are recorded and its log lies; without one it has a log of its own, and no records.
        In an environment that lies in a base the log is its own, too.
        `command`: what follows `seedbed`, instead of `-C /platform apply -e ENVIRONMENT`; whoever runs the task may
        override it, too. `variables`: what Python migrations and seeds read besides; a task has no others than its
        definition names, whatever the image or RunTask say.
        """
        super().__init__(scope, id)
        self.environment = environment
        self.path = parameter_path(platform, environment.name, "seedbed", "task")
        self.cluster = cluster or ecs.Cluster(self, "Cluster", vpc=network.vpc)
        self.group = ec2.SecurityGroup(
            self, "Access", vpc=network.vpc, description=f"seedbed in {environment.name}"
        )
        self.definition = ecs.FargateTaskDefinition(
            self,
            "Definition",
            cpu=512,
            memory_limit_mib=1024,
            runtime_platform=runtime_platform(architecture),
        )
        self.log_group: logs.ILogGroup = self._log_group(control)
        plain = {**_plain(self), **(variables or {}), **self._told(control)}
        self.container = self.definition.add_container(
            CONTAINER,
            image=image,
            command=list(command) or ["-C", PLATFORM, "apply", "-e", environment.name],
            logging=log_driver("seedbed", self.log_group),
            environment=plain,
            stop_timeout=Duration.seconds(
                120
            ),  # SIGTERM is Ctrl-C: the step in hand is rolled back or finished
        )
        given: dict[str, str | None] = {**plain}
        for database in databases:
            given |= self._reach(database, databases, ca_bundle)
        self._bind(given)
        if control is not None:
            control.grant_work(self.definition.task_role)
        self._may_know_itself()
        self._say_where(network)

    def starting(self, network: Network) -> dict[str, Any]:
        """Return what EventBridge is told to start the task with, as its L1 constructs take it."""
        place = {
            "subnets": [str(each.subnet_id) for each in network.subnets(network.tasks)],
            "securityGroups": [str(self.group.security_group_id)],
            "assignPublicIp": "DISABLED",
        }
        return {
            "taskDefinitionArn": str(self.definition.task_definition_arn),
            "launchType": "FARGATE",
            "propagateTags": "TASK_DEFINITION",
            "networkConfiguration": {"awsvpcConfiguration": place},
        }

    def grant_start(self, role: iam.Role) -> None:
        """Let `role` start the task, with the roles that its definition names and no others."""
        here = {"ArnEquals": {"ecs:cluster": str(self.cluster.cluster_arn)}}
        roles = [self.definition.task_role, self.definition.obtain_execution_role()]
        passed = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        started = {"StringEquals": {"ecs:CreateAction": "RunTask"}}
        for actions, resources, conditions in (
            (["ecs:RunTask"], [str(self.definition.task_definition_arn)], here),
            (["ecs:TagResource"], [Stack.of(self).format_arn(service="ecs", resource="task/*")], started),
            (["iam:PassRole"], [str(each.role_arn) for each in roles], passed),
        ):
            role.add_to_policy(
                iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions)
            )

    def _log_group(self, control: Control | None) -> logs.ILogGroup:
        if control is None or self.environment.base:  # nobody reads what his neighbours' tasks say
            return log_group(self, self.environment)
        return logs.LogGroup.from_log_group_name(self, "Log", control.names(self).log_group)

    def _told(self, control: Control | None) -> dict[str, str]:
        """Return the variables by which a run finds its record: a closed network has no way to the parameters."""
        if control is None:
            return {}
        names = control.names(self)
        return {
            CONTROL_TABLE: names.table,
            CONTROL_BUCKET: names.bucket,
            CONTROL_ENVIRONMENT: self.environment.name,
            CONTROL_FILES: self.environment.files,
        }

    def _reach(
        self,
        database: ServiceTables | Server,
        databases: Sequence[ServiceTables | Server],
        ca_bundle: str,
    ) -> dict[str, str | None]:
        """Let the task reach a database; return the variables that it is given for that."""
        if isinstance(database, ServiceTables | Search):
            database.grant_migrations(self.definition.task_role)
        if isinstance(database, ServiceTables):
            return {}
        is_alone = len(databases) == 1 and not self.environment.is_base
        given = inject(
            self.container,
            database,
            is_prefixed=not is_alone,
            ca_bundle=ca_bundle,
            for_migrations=True,
        )
        if not isinstance(database, ExternalGraph):
            database.allow(self.group)
        return given

    def _bind(self, given: Mapping[str, str | None]) -> None:
        """Have the entry point say what the variables are: RunTask can give other ones, and no other entry point.

        So whoever may start the task can have seedbed do what it does, and nothing else.
        """
        words = [name if value is None else f"{name}={value}" for name, value in given.items()]
        made: ecs.CfnTaskDefinition = self.definition.node.default_child
        made.add_property_override("ContainerDefinitions.0.EntryPoint", [*_PROGRAM, *words, _END])

    def _may_know_itself(self) -> None:
        """The account is checked before anything else; said here, although nothing can forbid it by silence."""
        self.definition.add_to_task_role_policy(
            iam.PolicyStatement(actions=["sts:GetCallerIdentity"], resources=["*"])
        )

    def _say_where(self, network: Network) -> None:
        subnets = [str(each.subnet_id) for each in network.subnets(network.tasks)]
        values = {
            "cluster": str(self.cluster.cluster_arn),
            "task-definition": str(self.definition.task_definition_arn),
            "container": CONTAINER,
            "subnets": ",".join(subnets),
            "security-group": str(self.group.security_group_id),
            "log-group": str(self.log_group.log_group_name),
        }
        write_parameters(self, values, self.path)
        inner = {
            "family": str(self.definition.family),
            "task-role": str(self.definition.task_role.role_arn),
            "execution-role": str(self.definition.obtain_execution_role().role_arn),
        }
        share(self, inner, self.path)
        CfnOutput(self, "TaskDefinition", value=values["task-definition"])


def _plain(scope: Construct) -> dict[str, str]:
    """Return what every task is told; the region, because another one's tables and secrets may be another's."""
    return {"NO_COLOR": "1", "AWS_REGION": str(Stack.of(scope).region)}
