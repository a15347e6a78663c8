"""Whether an account is prepared for the CDK, and preparing it."""

from __future__ import annotations

from pathlib import Path

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.deployment.assembly import Stack
from seedbed.deployment.cdk import Cli, Tell
from seedbed.errors import Refused, StepFailed, Unreachable


def is_missing(cloud: Cloud, stack: Stack) -> str:
    """Return what is missing before `stack` can be deployed, in words; "" where nothing is. Raises Unreachable."""
    if not stack.bootstrap:
        return ""
    found = _version(cloud, stack.bootstrap)
    if found is None:
        return f"there is no parameter {stack.bootstrap}"
    if found < stack.bootstrap_version:
        return f"{stack.bootstrap} says {found}, and the stacks need {stack.bootstrap_version}"
    return ""


def _version(cloud: Cloud, name: str) -> int | None:
    try:
        answer = clients.call(cloud, "ssm", "GetParameter", Name=name)
    except Exception as error:
        said = getattr(error, "response", {}).get("Error", {})
        if not said:
            raise
        if said.get("Code") == "ParameterNotFound":
            return None
        raise Unreachable(
            f"the parameter {name} cannot be read", because=f"{said.get('Code')}: {said.get('Message')}"
        ) from None
    return int(answer["Parameter"]["Value"])


def place(account: str, cloud: Cloud) -> str:
    """Return what `cdk bootstrap` calls an account and region."""
    return f"aws://{account}/{cloud.region}"


def refused(where: str, missing: str, *, ephemeral: bool) -> Refused:
    """Return that `where` is not prepared, and the command that prepares it."""
    way = f"cdk bootstrap {where}"
    return Refused(
        f"{where} is not prepared for the CDK",
        because=missing,
        try_=f"{way}, or say --bootstrap"
        if ephemeral
        else f"{way}, once, by an administrator of the account",
    )


def carry_out(cli: Cli, cloud: Cloud, where: str, room: Path, tell: Tell) -> None:
    """Prepare an account and region. Raises StepFailed."""
    result = cli.run(["bootstrap", where], cwd=room, cloud=cloud, tell=tell)
    if result.code != 0:
        raise StepFailed(
            f"cdk bootstrap {where} failed",
            because=result.last_lines,
            try_="see what it says, and run it by hand",
        )
