"""`seedbed status`."""

from __future__ import annotations

from functools import partial

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import ExitCode


@click.command("status")
@options.environment
@options.selection
@click.option("--summary", is_flag=True, help="Show one line per database.")
@click.option("--exit-code", is_flag=True, help="Exit with 6 unless every database is up to date.")
@options.fresh
@options.as_json
@command_context(CommandKind.READS)
def command(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    summary: bool,
    exit_code: bool,
    fresh: bool,
) -> None:
    """Show every migration of every database and its state.

    \b
    seedbed status -e sandbox
    seedbed status -e staging -s payment --exit-code
    """
    from seedbed.cli.looking import look
    from seedbed.documents.status import StatusDocument
    from seedbed.report.text.status import status_text

    with look(context, env, context.databases(services, engines), fresh=fresh) as run:
        status = StatusDocument.of(run.status(), context.command)
    context.show(status, partial(status_text, summary=summary))
    context.leave_for(run.failed.values())
    if exit_code and not status.up_to_date:
        context.leave(ExitCode.FOUND)
