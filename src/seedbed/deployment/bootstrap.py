"""Whether an account is prepared for the CDK, and preparing it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.deployment.assembly import Stack
from seedbed.deployment.cdk import Cli, Tell
from seedbed.errors import Refused, StepFailed, Unreachable

_QUALIFIER = re.compile(r"/cdk-bootstrap/([A-Za-z0-9_-]+)/version")
_USUAL = "hnb659fds"  # the CDK's own


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


def most_demanding(stacks: Sequence[Stack]) -> Stack | None:
    """Return the stack of `stacks` that wants the newest preparation."""
    return max(stacks, key=lambda each: each.bootstrap_version, default=None)


def arguments(where: str, stack: Stack | None) -> list[str]:
    """Return what the CLI is told to prepare `where` for `stack`, under the qualifier that its app chose."""
    named = _QUALIFIER.fullmatch(stack.bootstrap) if stack else None
    if named is None or named[1] == _USUAL:
        return ["bootstrap", where]
    return ["bootstrap", where, "--qualifier", named[1], "--toolkit-stack-name", f"CDKToolkit-{named[1]}"]


def place(account: str, cloud: Cloud) -> str:
    """Return what `cdk bootstrap` calls an account and region."""
    return f"aws://{account}/{cloud.region}"


def refused(where: str, stack: Stack | None, missing: str, *, ephemeral: bool) -> Refused:
    """Return that `where` is not prepared, and the command that prepares it."""
    way = shlex.join(["cdk", *arguments(where, stack)])
    return Refused(
        f"{where} is not prepared for the CDK",
        because=missing,
        try_=f"{way}, or say --bootstrap"
        if ephemeral
        else f"{way}, once, by an administrator of the account",
    )


def carry_out(cli: Cli, cloud: Cloud, where: str, stack: Stack | None, room: Path, tell: Tell) -> None:
    """Prepare an account and region for `stack`. Raises StepFailed."""
    told = arguments(where, stack)
    result = cli.run(told, cwd=room, cloud=cloud, tell=tell)
    if result.code != 0:
        raise StepFailed(
            f"{shlex.join(['cdk', *told])} failed",
            because=result.last_lines,
            try_="see what it says, and run it by hand",
        )
