"""`seedbed destroy`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, command_context
from seedbed.errors import Refused


@click.command("destroy")
@options.environment
@options.services
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--assembly",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Use this cloud assembly, which was synthesised before.",
)
@options.deploy_wait
@options.as_json
@command_context
def command(
    context: CommandContext, env: str, services: tuple[str, ...], yes: bool, assembly: str | None, wait: float
) -> None:
    """Delete stacks and all that is in them. Refused outside ephemeral environments, always.

    \b
    seedbed destroy -e dev-ana
    seedbed destroy -e sandbox -s courses --yes
    """
    from seedbed.model.environment import require_ephemeral
    from seedbed.project import deploying

    require_ephemeral(context.catalog.environment(env), "destroy")
    databases = context.catalog.deployable(context.catalog.databases(services))
    wanted = deploying.DeployRequest(
        services=services, assembly=Path(assembly).absolute() if assembly else None, wait=wait
    )
    with (
        context.run(env, databases, wait=wait) as run,
        deploying.plan_destroy(run, wanted) as plan,
    ):
        if plan.stacks and not yes:
            with context.asking():
                _ask(env, ", ".join(stack.name for stack, _ in plan.stacks))
        outcome = deploying.destroy(run, plan)
    context.finish(run, outcome)


def _ask(env: str, names: str) -> None:
    """Ask for the environment's name: a mere yes is said too easily. Raises Refused where nobody can be asked."""
    if not sys.stdin.isatty():
        raise Refused(
            f"destroy would delete {names}",
            because="there is no terminal to ask at",
            try_="confirm it with --yes",
        )
    said = click.prompt(f"This deletes {names}, with all data. Type {env} to go on", err=True)
    if said != env:
        raise click.Abort
