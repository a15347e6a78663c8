"""What a role may do, as IAM has it, and what ECS says where the one that starts tasks may not."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.support.aws_proxy.policies import Asked, allows

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[^:@]+)")
_PULLS = ("BatchGetImage", "GetDownloadUrlForLayer")
_RETRIEVING = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable "
    "to retrieve {} has been retried 1 time(s): {}"
)


class Denied(Exception):
    """A role may not do something; the text is what the service says."""


def statements(iam: Any, role: str) -> list[Mapping[str, Any]]:
    """Return the statements of a role's own policies; `iam`: a client, `role`: an ARN."""
    name = role.rpartition("/")[2]
    found: list[Mapping[str, Any]] = []
    for each in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"]
        found += document["Statement"]
    return found


def require(iam: Any, role: str, task: str, action: str, resource: str) -> None:
    """Raise Denied unless a role may do something; `task`: the id of the task that it is assumed for."""
    if allows(statements(iam, role), Asked(action, resource)):
        return
    account, name = role.split(":")[4], role.rpartition("/")[2]
    raise Denied(
        f"AccessDeniedException: User: arn:aws:sts::{account}:assumed-role/{name}/{task} is not authorized to perform: "
        f"{action} on resource: {resource} because no identity-based policy allows the {action} action"
    )


def pulling(image: str) -> Iterator[tuple[str, str]]:
    """Yield the actions, and their resources, that pulling an image takes; none where it is not in ECR."""
    found = _ECR.match(image)
    if found is None:
        return
    yield "ecr:GetAuthorizationToken", "*"
    repository = f"arn:aws:ecr:{found['region']}:{found['account']}:repository/{found['name']}"
    for each in _PULLS:
        yield f"ecr:{each}", repository


def no_secret(arn: str, error: Exception) -> str:
    """Return the stoppedReason of a task whose secret could not be read."""
    return _RETRIEVING.format(
        "secret from asm: service call", f"failed to fetch secret {arn} from secrets manager: {error}"
    )


def no_image(image: str, action: str, error: Exception) -> str:
    """Return the stoppedReason of a task whose image could not be pulled, for want of the right to an action."""
    if action == "ecr:GetAuthorizationToken":
        return _RETRIEVING.format("ecr registry auth: service call", str(error))
    return (
        f"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: "
        f"unexpected status from HEAD request: 403 Forbidden: {error}"
    )


def no_stream(error: Exception) -> str:
    """Return the stoppedReason of a task whose log could not be written to."""
    return (
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed "
        f"to create CloudWatch log stream: {error} : exit status 1"
    )


def needs_a_role(container: Mapping[str, Any]) -> Sequence[str]:
    """Return for what ECS wants an execution role, in its own words."""
    wanted = {
        "ECR images": any(pulling(container["image"])),
        "log driver awslogs": container.get("logConfiguration", {}).get("logDriver") == "awslogs",
        "container secrets": bool(container.get("secrets")),
    }
    return [each for each, is_so in wanted.items() if is_so]


def execution_role(ask: Callable[..., Any]) -> str:
    """Make a role that may start any task, and return its ARN; `ask`: takes an operation of IAM and its parameters."""
    name = f"starts-{uuid.uuid4().hex[:8]}"
    made = ask("CreateRole", RoleName=name, AssumeRolePolicyDocument="{}")
    actions = ["ecr:*", "logs:*", "secretsmanager:GetSecretValue"]
    anything = [{"Effect": "Allow", "Action": actions, "Resource": "*"}]
    document = json.dumps({"Version": "2012-10-17", "Statement": anything})
    ask("PutRolePolicy", RoleName=name, PolicyName="starts", PolicyDocument=document)
    return str(made["Role"]["Arn"])
