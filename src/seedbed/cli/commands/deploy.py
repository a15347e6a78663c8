"""`seedbed deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import Refused

if TYPE_CHECKING:
    from seedbed.model.deployment import Deployment
    from seedbed.model.environment import Environment


@click.command("deploy")
@options.reviewed_plan
@options.environment
@options.services
@options.gate("The gate: removals are made at contract only")
@click.option("--unreviewed", is_flag=True, help="Allow a protected environment without a plan file.")
@click.option("--dry-run", is_flag=True, help="Show updates and changes; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation before removing anything.")
@click.option("--import", "adopt", is_flag=True, help="Import existing resources into their stack.")
@click.option(
    "--bootstrap", is_flag=True, help="Bootstrap the account for the CDK first (ephemeral environments)."
)
@options.drop
@options.assembly("Deploy this cloud assembly, which was synthesised before.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    cls=options.NumberOption,
    default=None,
    metavar="N",
    help="How many stacks to update in parallel (default: all that need no other, at most 8).",
)
@options.deploy_wait
@options.as_json
@command_context(CommandKind.LOCAL)
def command(
    context: CommandContext,
    plan: str | None,
    env: str,
    services: tuple[str, ...],
    through: str,
    unreviewed: bool,
    dry_run: bool,
    yes: bool,
    adopt: bool,
    bootstrap: bool,
    drop: tuple[str, ...],
    assembly: str | None,
    jobs: int | None,
    wait: float,
) -> None:
    """Update the stacks of databases whose schema is infrastructure to what is declared.

    A change that takes several updates of a stack is made one by one; each waits until what the one before it made is
    ready. A deployment that ended early is resumed by the next one. PLAN is a file that `seedbed plan --out` wrote:
    exactly what it contains is deployed.

    \b
    seedbed deploy -e dev-ana -s courses
    seedbed deploy -e staging --through expand   before new code is deployed
    seedbed deploy -e prod plan.json
    """
    from seedbed.cli.looking import deploys
    from seedbed.cli.planning import deploy_request, say_unreviewed
    from seedbed.cli.turns import turn
    from seedbed.cli.using import used
    from seedbed.documents.deployment import DeploymentDocument
    from seedbed.project import deploying
    from seedbed.report.text.deployment import deployment_text

    wanted, databases = deploy_request(
        context, plan, env, services, through, unreviewed=unreviewed or dry_run, follow=not dry_run
    )
    wanted = replace(
        wanted,
        adopt=adopt,
        bootstrap=bootstrap,
        assembly=Path(assembly).absolute() if assembly else None,
        drop=drop,
        wait=wait,
    )
    with (
        context.run(env, databases, wait=wait, silent=dry_run) as run,
        deploying.plan_deploy(run, wanted) as planned,
    ):
        if dry_run:
            context.show(DeploymentDocument.of(planned.deployment, context.command), deployment_text)
            return
        where = run.environment
        say_unreviewed(context, env, unreviewed and not plan)
        if not yes:
            require_removals(context, where, planned.deployment)
        with turn(context, where, "up"), used(context, where), deploys(context, run, planned.deployment):
            outcome = deploying.deploy(run, planned, jobs=jobs)
    context.finish(run, outcome)


def require_removals(context: CommandContext, environment: Environment, deployment: Deployment) -> None:
    """Ask before something is removed where it could be missed. Raises Refused where nobody can be asked."""
    from seedbed.model.environment import is_ephemeral

    if not deployment.removes or is_ephemeral(environment):
        return
    what = "; ".join(deployment.removes)
    if not context.can_ask:
        raise Refused(
            f"deploy would remove: {what}",
            because="there is no terminal to ask at",
            try_="--yes, or leave it to later: --through expand",
        )
    context.confirm(f"Remove in {environment.name}: {what}?")
