"""Runs of a base: a pipe of EventBridge starts its task for each record, and nobody else may. See docs/adr/0070."""

from __future__ import annotations

import json

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_pipes as pipes
from constructs import Construct

from seedbed.cdk.containers import log_group
from seedbed.cdk.control import Control
from seedbed.cdk.network import Network
from seedbed.cdk.settings import write_parameters
from seedbed.cdk.task import CONTAINER, MigrationTask
from seedbed.errors import UsageError
from seedbed.remote.control import run_item
from seedbed.remote.starting import COMMAND, Patience

_KEY = "$.dynamodb.Keys.id.S"  # in the record of a stream: the id of the item, which names the run
_SIDE_BY_SIDE = 10  # runs whose start is tried: one that AWS has no room for keeps no other waiting
_READS = ("DescribeStream", "GetRecords", "GetShardIterator")


class RunPipe(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """Starts the task of a base for each run that is written into its table, with the run's key as its command.

    Its role may start that task and pass its roles: no caller needs to, who could give them to another task. It tries
    for as long as a caller waits. The parameters `pipe` and `pipe-log` below `/{platform}/{base}/seedbed/task` tell
    callers that the task is started so.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        task: MigrationTask,
        network: Network,
        control: Control,
    ) -> None:
        """Raises UsageError for an environment that is no base: its table has no stream."""
        super().__init__(scope, id)
        environment = task.environment
        if not environment.is_base:
            raise UsageError(
                f"the task of {environment.name} is started by its callers",
                because="a pipe starts that of a base, whose table has a stream",
                try_="base = true, in its section of the manifest",
            )
        stream = control.stream(self)
        self.log_group = log_group(self, environment)
        role = self._role(stream)
        task.grant_start(role)
        words = [*COMMAND, _KEY]
        self.pipe = pipes.CfnPipe(
            self,
            "Pipe",
            description=f"starts the task of {environment.name} for each run that is asked for",
            role_arn=str(role.role_arn),
            source=stream,
            source_parameters={
                "dynamoDbStreamParameters": {
                    # A run may be asked for while the pipe comes up; what is older is over.
                    "startingPosition": "TRIM_HORIZON",
                    "batchSize": 1,
                    "parallelizationFactor": _SIDE_BY_SIDE,
                    "maximumRecordAgeInSeconds": round(Patience().capacity),
                },
                "filterCriteria": {"filters": [{"pattern": json.dumps(_asked(environment.name))}]},
            },
            target=str(task.cluster.cluster_arn),
            target_parameters={
                "ecsTaskParameters": {
                    **task.starting(network),
                    "overrides": {"containerOverrides": [{"name": CONTAINER, "command": words}]},
                }
            },
            log_configuration={
                "cloudwatchLogsLogDestination": {"logGroupArn": str(self.log_group.log_group_arn)},
                "level": "ERROR",  # without execution data: no request, no answer
            },
        )
        self.pipe.node.add_dependency(role)  # its policy, too: the stream is looked at while the pipe is made
        told = {"pipe": str(self.pipe.ref), "pipe-log": str(self.log_group.log_group_name)}
        write_parameters(self, told, task.path)

    def _role(self, stream: str) -> iam.Role:
        """Return a role that pipes of this account assume, and that reads the stream."""
        stack = Stack.of(self)
        here = {
            "StringEquals": {"aws:SourceAccount": str(stack.account)},
            "ArnLike": {"aws:SourceArn": stack.format_arn(service="pipes", resource="pipe/*")},
        }
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("pipes.amazonaws.com").with_conditions(here),
        )
        reads = [f"dynamodb:{each}" for each in _READS]
        role.add_to_policy(iam.PolicyStatement(actions=reads, resources=[stream]))
        role.add_to_policy(iam.PolicyStatement(actions=["dynamodb:ListStreams"], resources=["*"]))
        return role


def _asked(environment: str) -> object:
    """Return the pattern of a record of the stream that is about a new run of `environment`."""
    key = {"id": {"S": [{"prefix": run_item(environment, "")}]}, "part": {"S": ["ask"]}}
    return {"eventName": ["INSERT"], "dynamodb": {"Keys": key}}
