"""Secrets of Secrets Manager by their names: which there are, and taking one away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seedbed.aws import EXTRA, clients, faults
from seedbed.support.extras import require_extras

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

SERVICE = "secretsmanager"


def named(cloud: Cloud, prefix: str) -> Iterator[str]:
    """Yield the names of the secrets that begin with `prefix`. Raises what `faults` name."""
    more: dict[str, Any] = {"Filters": [{"Key": "name", "Values": [prefix]}]}
    while True:
        answer = _asked(cloud, "ListSecrets", **more) or {}
        for each in answer.get("SecretList", ()):
            if str(each["Name"]).startswith(prefix):  # AWS compares words in it without regard to case
                yield str(each["Name"])
        if not answer.get("NextToken"):
            return
        more["NextToken"] = answer["NextToken"]


def delete(cloud: Cloud, name: str) -> None:
    """Take a secret away at once, without days to bring it back; it may be gone. Raises what `faults` name."""
    _asked(cloud, "DeleteSecret", SecretId=name, ForceDeleteWithoutRecovery=True)


def _asked(cloud: Cloud, operation: str, **parameters: Any) -> dict[str, Any] | None:
    require_extras(EXTRA)
    from botocore.exceptions import ClientError

    try:
        return clients.call(cloud, SERVICE, operation, **parameters)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            return None
        raise faults.of_exception(error, cloud, action=f"{SERVICE}:{operation}") from None
