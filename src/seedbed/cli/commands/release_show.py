"""`seedbed release show`, `seedbed release list`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context


@click.command("show", short_help="Show a release: its steps, and what they wait for.")
@click.argument("number", type=click.IntRange(1), required=False)
@options.environment
@click.option("--markdown", is_flag=True, help="Write it as Markdown, for a comment or a job's summary.")
@options.as_json
@command_context(CommandKind.LOCAL)
def show(context: CommandContext, number: int | None, env: str, markdown: bool) -> None:
    """Show release NUMBER (default: the open one, else the newest): its steps, its evidence, what it waits for.

    No database is asked: what the contract waits for is told as it was looked at last. `seedbed release check` looks
    anew.

    \b
    seedbed release show -e prod
    seedbed release show -e prod 12 --markdown
    """
    from seedbed.cli import releasing

    releasing.show(context, env, number, markdown=markdown)


@click.command("list", short_help="List the newest releases of an environment.")
@options.environment
@options.most
@options.as_json
@command_context(CommandKind.LOCAL)
def listing(context: CommandContext, env: str, most: int) -> None:
    """List the newest releases of an environment: how far each is, what it was built from, and how it ended.

    \b
    seedbed release list -e prod
    """
    from seedbed.cli.releasing import store_of
    from seedbed.project.releasing import showing
    from seedbed.report.text.release import releases_text

    found = showing.releases(store_of(context, env), env, context.command, most=most)
    context.show(found, releases_text)
