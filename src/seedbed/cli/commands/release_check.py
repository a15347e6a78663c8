"""`seedbed release check`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import ExitCode


@click.command("check", short_help="Say what the next step waits for; change nothing.")
@click.argument("number", type=click.IntRange(1), required=False)
@options.environment
@options.as_json
@command_context(CommandKind.LOCAL)
def command(context: CommandContext, number: int | None, env: str) -> None:
    """Say what the next step of release NUMBER (default: the open one) waits for, and ask the checks that hold by now.

    Exits with 0 where every gate is open and every check holds, with 6 where one waits, with 3 where one forbids; and
    with 0 where no release is open, as `seedbed release next` does.

    \b
    seedbed release check -e prod
    """
    from seedbed.cli.releasing import environ_of, operating, show_none
    from seedbed.documents.release import ReadinessDocument
    from seedbed.project.releasing.checking import check
    from seedbed.project.releasing.readers import CountedReaders
    from seedbed.project.releasing.snapshots import StillKept
    from seedbed.report.text.release import readiness_text

    with operating(context, env) as operator:
        readers = StillKept(operator, CountedReaders(operator.store, operator.stop))
        found = check(context.project, env, operator, environ_of(context, env), number, readers)
    if found is None:
        show_none(context, env)
        return
    document = ReadinessDocument.of(found.release, found.gates, found.found, context.command)
    context.show(document, readiness_text)
    if any(each.kind == "policy" for each in found.gates if not each.is_open):
        context.leave(ExitCode.REFUSED)
    if not document.is_ready:
        context.leave(ExitCode.FOUND)
