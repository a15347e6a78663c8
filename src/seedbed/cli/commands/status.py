"""`seedbed status`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, command_context
from seedbed.errors import ExitCode


@click.command("status")
@options.environment
@options.selection
@click.option("--summary", is_flag=True, help="One line for each database.")
@click.option("--exit-code", is_flag=True, help="Leave with 6 unless every database is up to date.")
@options.as_json
@command_context
def command(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    summary: bool,
    exit_code: bool,
) -> None:
    """Show every migration of every database and where it stands.

    \b
    seedbed status -e sandbox
    seedbed status -e staging -s payment --exit-code
    """
    from seedbed.report.documents import status_document
    from seedbed.report.texts import status_text

    with context.run(env, context.databases(services, engines), wait=0, silent=True) as run:
        status = run.status()
    if context.as_json:
        context.document(status_document(status))
    else:
        context.out.result(status_text(status, summary=summary))
    if run.failed:
        context.leave(max(error.exit_code for error in run.failed.values()))
    if exit_code and not all(each.is_up_to_date for each in status.databases):
        context.leave(ExitCode.FOUND)
