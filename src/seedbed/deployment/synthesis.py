"""Synthesising the app, once, and looking whether what came out belongs where it is about to go."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePath

from msgspec.structs import replace

from seedbed.aws.cloud import Cloud
from seedbed.deployment.assembly import Assembly, Stack, read
from seedbed.deployment.cdk import VALIDATION, Cli
from seedbed.errors import Hint, Refused, UsageError, call
from seedbed.model.environment import Environment
from seedbed.support.extras import require_extras

APP = "cdk"  # the directory of the app, beside the manifest
_DESCRIPTION = "cdk.json"


def synthesise(cli: Cli, app: Path, environment: Environment, cloud: Cloud, into: Path) -> Assembly:
    """Return the assembly that the app in `app` makes for `environment`. Raises UsageError where it makes none."""
    require_app(app)
    if environment.is_sandbox:  # half of the time, for templates that nobody deploys elsewhere
        cli = replace(cli, base={VALIDATION: "false", **cli.base})
    told = {**environment.context, "environment": environment.name}
    context = [part for key, value in told.items() for part in ("-c", f"{key}={value}")]
    arguments = ["synth", "--quiet", "--output", str(into), *context]
    result = cli.run(arguments, cwd=app, cloud=cloud)
    if result.code != 0:
        raise UsageError(
            f"the CDK app in {app} cannot be synthesised for {environment.name}",
            because=result.last_lines,
            try_=f"cd {app} && cdk synth {shlex.join(context)}",
        )
    return read(into)


def has_app(root: PurePath) -> bool:
    """Return whether the platform in `root` has a CDK app, which may deploy servers of every engine."""
    return Path(root, APP, _DESCRIPTION).is_file()


def require_app(app: Path) -> None:
    """Raise UsageError where there is no app, or where the Python that runs it has no constructs."""
    description = app / _DESCRIPTION
    if not description.is_file():
        raise UsageError(
            f"there is no CDK app in {app}",
            because="it holds no cdk.json",
            try_=Hint("have one written: ", call("init", "--yes", "--cdk")),
        )
    try:
        command = str(json.loads(description.read_bytes())["app"]).split()
    except (ValueError, LookupError, TypeError):
        return  # the CDK's own message names what is wrong with it
    if command[:1] in (["python"], ["python3"]):  # ours: see `cdk.base`
        require_extras({"cdk": ("aws_cdk",)})


def require_same_account(stacks: Sequence[Stack], cloud: Cloud, account: str, environment: str) -> None:
    """Raise Refused where a stack was synthesised for another account or region than the one that is declared."""
    for each in stacks:
        for what, found, wanted in (
            ("account", each.account, account),
            ("region", each.region, cloud.region),
        ):
            if found and wanted and found != wanted:
                raise Refused(
                    f"stack {each.name} is made for {what} {found}, and {environment} is in {wanted}",
                    because=f"the app says so: env of {each.id}",
                    try_=f"let the app take {what} from the manifest, as seedbed.cdk does",
                )
