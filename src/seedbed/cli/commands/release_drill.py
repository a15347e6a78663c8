"""`seedbed release drill`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import ExitCode


@click.command("drill", short_help="Try whether its snapshots can be restored.")
@click.argument("number", type=click.IntRange(1), required=False)
@options.environment
@options.as_json
@command_context(CommandKind.LOCAL)
def command(context: CommandContext, number: int | None, env: str) -> None:
    """Try the snapshots of release NUMBER (default: the newest that has any), and keep what that showed with it.

    Does what `snapshot drill` does. A contract may ask for it: drill_max_age in [release]. Exits with 6 if something
    is not as it should be.

    \b
    seedbed release drill -e prod
    """
    from seedbed.cli.releasing import environ_of, operating, show
    from seedbed.project.releasing.drilling import drill

    with operating(context, env) as operator:
        release, found = drill(context.project, env, operator, environ_of(context, env), number)
    show(context, env, release.number)
    if any(each.verdict == "bad" for each in found):
        context.leave(ExitCode.FOUND)
