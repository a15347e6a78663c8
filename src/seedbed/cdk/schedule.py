"""The collection of environments at night: EventBridge Scheduler starts a base's task, which deletes what is over."""

from __future__ import annotations

import json

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct
from msgspec.structs import replace

from seedbed.aws import rights
from seedbed.cdk.control import Control
from seedbed.cdk.network import Network
from seedbed.cdk.task import CONTAINER, PLATFORM, MigrationTask
from seedbed.errors import UsageError
from seedbed.model.environment import Environment

NIGHTLY = "cron(0 3 * * ? *)"  # in UTC
MOST = 5


class Collection(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """Has the task of a base run `seedbed env gc --yes`, as often as `at` says.

    It deletes ephemeral environments of the platform whose time is over, and what they left in the base; see
    docs/explanation/life-of-an-environment.md. The task is given the rights that this takes: it may delete stacks with
    the tags of the platform and of an environment whose name begins with `dev`, and no others.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
        task: MigrationTask,
        network: Network,
        control: Control,
        at: str = NIGHTLY,
        most: int = MOST,
    ) -> None:
        """`at`: a schedule of EventBridge, `cron(…)` or `rate(…)`, in UTC. `most`: environments a day.

        Raises UsageError for an environment that is no base.
        """
        super().__init__(scope, id)
        if not environment.is_base:
            raise UsageError(
                f"{environment.name} collects nothing",
                because="the task of a base does that, which reaches what environments left there",
                try_="base = true, in its section of the manifest",
            )
        if not at.startswith(("cron(", "rate(")):
            raise UsageError(
                f"{at!r} is no schedule",
                because="EventBridge has cron(…) and rate(…)",
                try_=f"collect = {NIGHTLY}, or nightly",
            )
        self._allow(platform, environment, task, control)
        role = iam.Role(self, "Starter", assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"))
        task.grant_start(role)
        words = ["-C", PLATFORM, "env", "gc", "--yes", "--most", str(most)]
        self.schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            description=f"collects environments of {platform} whose time is over",
            flexible_time_window={"mode": "OFF"},
            schedule_expression=at,
            target={
                "arn": str(task.cluster.cluster_arn),
                "roleArn": str(role.role_arn),
                "ecsParameters": task.starting(network),
                "input": json.dumps({"containerOverrides": [{"name": CONTAINER, "command": words}]}),
                "retryPolicy": {"maximumRetryAttempts": 3},
            },
        )

    def _allow(self, platform: str, environment: Environment, task: MigrationTask, control: Control) -> None:
        stack, names = Stack.of(task), control.names(task)
        place = (str(stack.partition), str(stack.account), str(stack.region))
        about = rights.Names(platform, environment.name, *place, names.table, names.bucket)
        about = replace(about, topic=environment.notify)
        for each in rights.statements(rights.COLLECT, about):
            task.definition.add_to_task_role_policy(iam.PolicyStatement.from_json(dict(each)))
