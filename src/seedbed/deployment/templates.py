"""The templates of an environment's stacks: those that are deployed, or those that the app makes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from seedbed.aws.cloud import Cloud
from seedbed.aws.identity import require_account
from seedbed.deployment import cdk
from seedbed.deployment.assembly import Assembly, read
from seedbed.deployment.child import StopSignal
from seedbed.deployment.stack_owner import has_tags
from seedbed.deployment.stacks import Stacks
from seedbed.deployment.synthesis import APP, require_app, synthesise
from seedbed.errors import UsageError
from seedbed.files.scratch import scratch
from seedbed.model.deployment import Template
from seedbed.model.environment import Environment
from seedbed.model.names import stack_tags


def deployed(cloud: Cloud, platform: str, names: Collection[str] | None = None) -> dict[str, list[Template]]:
    """Return the templates of a platform's stacks in an account and region, by environment, as they were deployed.

    `names`: of the environments, None for all that are there. Raises Refused, Unavailable.
    """
    require_account(cloud)
    stacks = Stacks(cloud)
    found: dict[str, list[Template]] = {}
    for each in stacks.all():
        name = each.tags.get("environment", "")
        is_ours = not each.is_nested and has_tags(each.tags, stack_tags(platform, name))
        if is_ours and each.exists and (names is None or name in names):
            template = stacks.template(each.name)
            if template is not None:
                found.setdefault(name, []).append(template)
    return found


def planned(
    root: Path,
    platform: str,
    environment: Environment,
    cloud: Cloud,
    *,
    assembly: Path | None,
    environ: Mapping[str, str],
    stop: StopSignal,
    tell: Callable[[str], None],
) -> list[Template]:
    """Return the templates of the stacks that the app in `root` makes for `environment`, or that `assembly` has.

    Raises UsageError, Unavailable, Interrupted.
    """
    if assembly is not None:
        return _of(read(assembly), platform, environment)
    app = root / APP
    require_app(app)
    with scratch("seedbed.templates-") as room:
        cli = cdk.find(app, environ, room.directory / "home", stop, tell)
        into = room.directory / "assembly"
        return _of(synthesise(cli, app, environment, cloud, into), platform, environment)


def _of(assembly: Assembly, platform: str, environment: Environment) -> list[Template]:
    tags = stack_tags(platform, environment.name)
    found: list[Template] = [assembly.template(each) for each in assembly.stacks if has_tags(each.tags, tags)]
    if not found:
        raise UsageError(
            f"the CDK app has no stack of {platform} in {environment.name}",
            because="no stack has their tags",
            try_=f"tags: {', '.join(map('='.join, tags.items()))}",
        )
    return found
