"""`seedbed env touch`, `seedbed env extend`, `seedbed env keep`: how long an environment stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import UsageError

if TYPE_CHECKING:
    from seedbed.model.environment import Environment
    from seedbed.model.lifetime import EnvironmentRecord


@click.command("touch", short_help="Write down that an environment is used.")
@click.argument("name", shell_complete=options.known("environments"))
@click.option(
    "--ttl", type=options.Duration(), metavar="TIME", help="Let it stay so long after each use, from now on."
)
@options.as_json
@command_context(CommandKind.LOCAL)
def touch(context: CommandContext, name: str, ttl: float | None) -> None:
    """Write down that NAME is used, as commands do that reach its databases: its time begins anew.

    \b
    seedbed env touch dev-ana
    seedbed env touch dev-ana --ttl 7d
    """
    from seedbed.project import lifetimes

    environment = _environment(context, name)
    touched = lifetimes.touch(context.project.targets, environment, context.command, ttl=ttl or 0.0)
    _show(context, environment, touched.now)


@click.command("extend", short_help="Let an environment stay longer, once.")
@click.argument("name", shell_complete=options.known("environments"))
@click.option(
    "--ttl", type=options.Duration(), required=True, metavar="TIME", help="From now on, such as 8h or 7d."
)
@options.as_json
@command_context(CommandKind.LOCAL)
def extend(context: CommandContext, name: str, ttl: float) -> None:
    """Let NAME stay for some time from now at least, used or not.

    \b
    seedbed env extend dev-ana --ttl 14d
    """
    from seedbed.project import lifetimes

    environment = _environment(context, name)
    records = lifetimes.environments(context.project.targets, environment)
    _show(context, environment, records.extend(name, ttl))


@click.command("keep", short_help="Keep an environment until that is ended.")
@click.argument("name", shell_complete=options.known("environments"))
@click.option("--end", is_flag=True, help="Keep it no longer: its time counts again.")
@options.as_json
@command_context(CommandKind.LOCAL)
def keep(context: CommandContext, name: str, end: bool) -> None:
    """Keep NAME, whatever its time: env gc leaves it alone. env down and destroy delete it all the same.

    \b
    seedbed env keep dev-ana
    seedbed env keep dev-ana --end
    """
    from seedbed.project import lifetimes

    environment = _environment(context, name)
    records = lifetimes.environments(context.project.targets, environment)
    _show(context, environment, records.keep(name, keep=not end))


def _environment(context: CommandContext, name: str) -> Environment:
    """Return an environment that ends. Raises UsageError for one that does not, or whose use is not written down."""
    from seedbed.model.environment import is_ephemeral, is_recorded

    context.environment = name
    environment = context.catalog.environment(name)
    if environment.is_sandbox or not is_ephemeral(environment):
        raise UsageError(
            f"{name} has no end that could be changed",
            because="it runs until it is ended" if environment.is_sandbox else "it is not ephemeral",
        )
    if not is_recorded(environment):
        raise UsageError(
            f"nothing could say how long {name} stays",
            because="it has no table for records: it lies in no base, and no task of it runs commands",
            try_='base = "…" or access = "task", in its section of the manifest',
        )
    return environment


def _show(context: CommandContext, environment: Environment, record: EnvironmentRecord) -> None:
    from seedbed.documents.lifetimes import LifetimeDocument
    from seedbed.report.text.lifetimes import lifetime_text

    document = LifetimeDocument.of(environment.name, record, environment.ttl, context.command)
    context.show(document, lifetime_text)
