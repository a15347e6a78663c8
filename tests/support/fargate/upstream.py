"""What Fargate looks up before it starts something, in ministack: past the proxy, as AWS's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from seedbed.engines.dynamodb.sandbox.world import World
from tests.support.aws_clients import client
from tests.support.aws_proxy.policies import Asked, allows
from tests.support.fargate import rights


class Refused(Exception):
    """ECS refuses a call: the error's code and its message."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.more = more


class NotStarted(Exception):
    """A task ends before it began; the text is its stoppedReason."""


@dataclass(frozen=True, slots=True)
class Upstream:
    world: World

    def service(self, name: str) -> Any:
        return client(name, self.world.region, self.world.endpoint, self.world.account)

    def cluster(self, asked: str) -> str:
        """Return the ARN of a cluster. Raises Refused."""
        found = self.service("ecs").describe_clusters(clusters=[asked])["clusters"]
        if not found or found[0]["status"] != "ACTIVE":
            raise Refused("ClusterNotFoundException", "Cluster not found.")
        return str(found[0]["clusterArn"])

    def definition(self, asked: str) -> Mapping[str, Any]:
        """Return a task definition, with its tags below "tags". Raises Refused."""
        try:
            found = self.service("ecs").describe_task_definition(taskDefinition=asked, include=["TAGS"])
        except ClientError:
            raise Refused("ClientException", "TaskDefinition not found.") from None
        if found["taskDefinition"]["status"] != "ACTIVE":
            raise Refused("ClientException", "TaskDefinition is inactive")
        if "FARGATE" not in found["taskDefinition"].get("compatibilities", ()):
            raise Refused(
                "InvalidParameterException", "Task definition does not support launch_type FARGATE."
            )
        return {**found["taskDefinition"], "tags": found.get("tags", [])}

    def check_network(self, asked: Mapping[str, Any]) -> None:
        """Raise Refused for subnets and security groups that are not there, or not in one network."""
        networks = set()
        for what, call, key, ids in (
            ("subnet", "describe_subnets", "Subnets", asked["subnets"]),
            ("security group", "describe_security_groups", "SecurityGroups", asked.get("securityGroups", [])),
        ):
            if not ids:
                continue
            argument = {"SubnetIds" if what == "subnet" else "GroupIds": list(ids)}
            try:
                found = getattr(self.service("ec2"), call)(**argument)[key]
            except ClientError as error:
                found = []
                said = error.response["Error"]["Message"]
            else:
                said = f"The {what} ID '{ids[0]}' does not exist"
            if len(found) != len(set(ids)):
                raise Refused(
                    "InvalidParameterException",
                    f"Error retrieving {what} information for {list(ids)}: {said}",
                )
            networks |= {each["VpcId"] for each in found}
        if len(networks) > 1:
            raise Refused("InvalidParameterException", "Subnets and security groups must be in the same VPC.")

    def secret(self, pointer: str, role: str, task: str) -> str:
        """Return what `ARN:key:stage:version` of a container's secret leads to, for a role. Raises NotStarted."""
        parts = pointer.split(":")
        arn, key = ":".join(parts[:7]), parts[7] if len(parts) > 7 else ""
        try:
            rights.require(self.service("iam"), role, task, "secretsmanager:GetSecretValue", arn)
            text = str(self.service("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        except rights.Denied as error:
            raise NotStarted(rights.no_secret(arn, error)) from None
        except ClientError as error:
            said = error.response["Error"]
            raise NotStarted(rights.no_secret(arn, Exception(f"{said['Code']}: {said['Message']}"))) from None
        if not key:
            return text
        try:
            return str(json.loads(text)[key])
        except (ValueError, KeyError):
            raise NotStarted(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval "
                f"failed: unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved "
                f"secret from Secrets Manager did not contain json key {key}"
            ) from None

    def require_image(self, image: str, role: str, task: str) -> None:
        """Raise NotStarted unless a role may pull an image."""
        for action, resource in rights.pulling(image):
            try:
                rights.require(self.service("iam"), role, task, action, resource)
            except rights.Denied as error:
                raise NotStarted(rights.no_image(image, action, error)) from None

    def credentials(self, role: str, session: str) -> Mapping[str, str]:
        """Return a task role's credentials, as a container is given them."""
        found = self.service("sts").assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
        return {
            "RoleArn": role,
            "AccessKeyId": found["AccessKeyId"],
            "SecretAccessKey": found["SecretAccessKey"],
            "Token": found["SessionToken"],
            "Expiration": f"{found['Expiration']:%Y-%m-%dT%H:%M:%SZ}",
        }


class LogStream:
    """Where a container's lines go. Raises NotStarted where there is no such log group, or no right to write to it.

    Without the right to write lines the task runs, and its log stays empty.
    """

    def __init__(
        self, upstream: Upstream, configuration: Mapping[str, Any], container: str, task: str, role: str
    ) -> None:
        options = configuration.get("options", {})
        self._logs = upstream.service("logs")
        self._group = options["awslogs-group"]
        self.name = f"{options['awslogs-stream-prefix']}/{container}/{task}"
        world, iam = upstream.world, upstream.service("iam")
        place = f"arn:aws:logs:{world.region}:{world.account}:log-group:{self._group}:log-stream:{self.name}"
        try:
            rights.require(iam, role, task, "logs:CreateLogStream", place)
            self._logs.create_log_stream(logGroupName=self._group, logStreamName=self.name)
        except rights.Denied as error:
            raise NotStarted(rights.no_stream(error)) from None
        except ClientError as error:
            said = error.response["Error"]
            raise NotStarted(rights.no_stream(Exception(f"{said['Code']}: {said['Message']}"))) from None
        self._may_write = allows(rights.statements(iam, role), Asked("logs:PutLogEvents", place))

    def put(self, events: list[dict[str, Any]]) -> None:
        if events and self._may_write:
            # A task may outlive its log group: then its last lines are lost, as in AWS.
            with suppress(self._logs.exceptions.ResourceNotFoundException):
                self._logs.put_log_events(logGroupName=self._group, logStreamName=self.name, logEvents=events)
