"""Acting as the role that the CDK's bootstrap made for deployments, as its own command line does."""

from __future__ import annotations

import threading
import time

from msgspec import Struct, field
from msgspec.structs import replace

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.deployment.assembly import Stack
from seedbed.errors import AccessRefused, Refused
from seedbed.model.secret import Secret

_PARTITION = "${AWS::Partition}"
_KEPT = 1800.0  # seconds; AWS gives an hour
_ELSEWHERE = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


class Deployers(Struct):
    """The roles that were taken on, each for a while: a change set is executed soon after it was made."""

    known: dict[str, tuple[float, Cloud]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, cloud: Cloud, stack: Stack) -> Cloud:
        """Return `cloud` with the rights of the role that makes the change sets of `stack`. Raises Unavailable."""
        with self.lock:
            began, found = self.known.get(stack.role, (-_KEPT, cloud))
            if time.monotonic() - began > _KEPT:
                found = as_deployer(cloud, stack)
                self.known[stack.role] = time.monotonic(), found
            return found


def as_deployer(cloud: Cloud, stack: Stack) -> Cloud:
    """Return `cloud` with an hour of the rights of the role that makes the change sets of `stack`.

    As it is where the app names none, and where we may not take it on: then our own rights have to do. Raises
    Unavailable.
    """
    if not stack.role:
        return cloud
    try:
        answer = clients.call(
            cloud,
            "sts",
            "AssumeRole",
            RoleArn=stack.role.replace(_PARTITION, partition(cloud.region)),
            RoleSessionName="seedbed",
        )
    except (AccessRefused, Refused):
        return cloud
    except Exception as error:
        if getattr(error, "response", None) is None:
            raise
        return cloud  # there is no such role
    made = answer["Credentials"]
    return replace(
        cloud,
        profile="",
        access_key=str(made["AccessKeyId"]),
        secret_key=Secret(str(made["SecretAccessKey"])),
        session_token=Secret(str(made["SessionToken"])),
    )


def partition(region: str) -> str:
    """Return which of AWS's partitions a region is in, as it stands in an ARN."""
    return next((name for begin, name in _ELSEWHERE.items() if region.startswith(begin)), "aws")
