"""Settings that CDK wrote into the parameter store, and the secrets that they point to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seedbed.aws import EXTRA, clients, faults
from seedbed.errors import Hint, SeedbedError, UsageError, call
from seedbed.model.secret import Secret
from seedbed.support.extras import require_extras

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

_KINDS = {type(None): "null", bool: "true or false", dict: "an object", list: "a list", float: "a fraction"}
POINTER = "secret:"  # `secret:ARN:KEY`: the member KEY of the JSON secret ARN


def read(cloud: Cloud, path: str) -> dict[str, str | Secret]:
    """Return the settings directly below `path`, by name; empty where there are none.

    A value `secret:ARN:KEY` is resolved, each secret fetched once; parameters that are encrypted are secrets
    themselves. Raises UsageError for a pointer that leads nowhere, and what `faults` name.
    """
    found = _parameters(cloud, path.rstrip("/"))
    secrets: dict[str, dict[str, Any]] = {}
    return {name: _resolved(cloud, each, secrets) for name, each in sorted(found.items())}


def _parameters(cloud: Cloud, path: str) -> dict[str, dict[str, Any]]:
    """Return the parameters directly below `path` by their last name."""
    found: dict[str, dict[str, Any]] = {}
    more: dict[str, str] = {}
    while True:
        page = _ask(
            cloud, "ssm", "GetParametersByPath", Path=path, Recursive=False, WithDecryption=True, **more
        )
        for each in page.get("Parameters", []):
            if (name := each["Name"].removeprefix(f"{path}/")) and "/" not in name:
                found[name] = each
        if not (token := page.get("NextToken")):
            return found
        more = {"NextToken": token}


def _resolved(cloud: Cloud, parameter: dict[str, Any], secrets: dict[str, dict[str, Any]]) -> str | Secret:
    value = str(parameter.get("Value", ""))
    if not value.startswith(POINTER):
        return Secret(value) if parameter.get("Type") == "SecureString" else value
    arn, _, key = value.removeprefix(POINTER).rpartition(":")
    if not arn or not key:
        raise UsageError(
            f"the parameter {parameter['Name']} points to no secret",
            because="it has to read secret:ARN:KEY",
            try_=Hint("have it written anew: ", call("deploy")),
        )
    if arn not in secrets:
        secrets[arn] = _secret(cloud, arn, parameter["Name"])
    if key not in secrets[arn]:
        raise UsageError(
            f"the parameter {parameter['Name']} points to the member {key!r} of a secret that has none",
            because=f"{arn} is there, and what it has is: {', '.join(sorted(secrets[arn])) or 'nothing'}",
            try_="add the member to the secret, or deploy the stack that writes both",
        )
    value = secrets[arn][key]
    if type(value) not in (str, int):  # a bool is an int, too
        raise UsageError(
            f"the parameter {parameter['Name']} points to the member {key!r} of a secret, which is no text",
            because=f"in {arn} it is {_KINDS.get(type(value), 'another kind of value')}",
            try_="store it as a JSON string",
        )
    return Secret(str(value))


def member(cloud: Cloud, name: str, key: str) -> Secret:
    """Return the member `key` of the JSON secret `name`. Raises UsageError for one that is not there."""
    members = _secret(cloud, name, name)
    if not isinstance(members.get(key), str):
        raise UsageError(
            f"the secret {name} has no member {key!r}",
            because=f"what it has is: {', '.join(sorted(members)) or 'nothing'}",
            try_=Hint("have it written anew: ", call("deploy")),
        )
    return Secret(str(members[key]))


def _secret(cloud: Cloud, arn: str, pointer: str) -> dict[str, Any]:
    """Return the members of the JSON secret `arn`; its text never enters a message."""
    text = _ask(cloud, "secretsmanager", "GetSecretValue", SecretId=arn).get("SecretString", "")
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise UsageError(
            f"the secret that {pointer} points to cannot be read",
            because=f"{arn} holds no JSON object",
            try_="store its members as JSON, as RDS and CDK do",
        )
    return members


def _ask(cloud: Cloud, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
    """Call, and put what only the service knows into words too."""
    require_extras(EXTRA)
    from botocore.exceptions import ClientError

    try:
        return clients.call(cloud, service, operation, **parameters)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code == "ResourceNotFoundException":
            raise UsageError(
                f"the secret {parameters.get('SecretId', '')} does not exist in {faults.where(cloud)}",
                because=f"{service} says {code}, and a parameter points there",
                try_="deploy the stack that makes it",
            ) from None
        raise _named(error, cloud, f"{service}:{operation}") from None


def _named(error: Exception, cloud: Cloud, action: str) -> SeedbedError:
    return faults.of_exception(error, cloud, action=action)
