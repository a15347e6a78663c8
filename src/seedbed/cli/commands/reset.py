"""`seedbed reset`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import Refused


@click.command("reset")
@options.environment
@options.selection
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@options.wait
@options.as_json
@command_context(CommandKind.WRITES)
def command(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    yes: bool,
    wait: float,
) -> None:
    """Empty databases: data, schema and history. Refused outside ephemeral environments, always.

    \b
    seedbed reset -e sandbox --yes
    seedbed reset -e dev-ana -s reviews
    """
    from seedbed.model.environment import require_ephemeral

    require_ephemeral(context.catalog.environment(env), "reset")
    databases = context.databases(services, engines)
    if not yes:
        names = ", ".join(str(each.id) for each in databases)
        if not context.can_ask:
            raise Refused(
                f"reset would delete all data of {names}",
                because="there is no terminal to ask at",
                try_="confirm it with --yes",
            )
        context.confirm(f"Empty {names} in {env}?")
    with context.run(env, databases, wait=wait) as run:
        outcome = run.reset()
    context.finish(run, outcome)
