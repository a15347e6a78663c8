"""`seedbed status`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.frame import Frame, framed
from seedbed.errors import ExitCode


@click.command("status")
@options.environment
@options.selection
@click.option("--summary", is_flag=True, help="One line for each database.")
@click.option("--exit-code", is_flag=True, help="Leave with 6 unless every database is up to date.")
@options.as_json
@framed
def command(
    frame: Frame,
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

    with frame.reaching(env, frame.databases(services, engines), wait=0, silent=True) as reach:
        status = frame.project.status(reach)
    if frame.as_json:
        frame.document(status_document(status))
    else:
        frame.out.result(status_text(status, summary=summary))
    if reach.failed:
        frame.leave(max(error.exit_code for error in reach.failed.values()))
    if exit_code and not all(each.is_up_to_date for each in status.databases):
        frame.leave(ExitCode.FOUND)
