"""`seedbed release check`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import ExitCode


@click.command("check", short_help="Say what the next step waits for; change nothing.")
@click.argument("number", type=click.IntRange(1), required=False)
@options.environment
@command_context(CommandKind.LOCAL)
def command(context: CommandContext, number: int | None, env: str) -> None:
    """Say what the next step of release NUMBER (default: the open one) waits for, and ask the checks that hold by now.

    Exits with 0 where every gate is open and every check holds, with 6 where one waits, with 3 where one forbids.

    \b
    seedbed release check -e prod
    """
    from seedbed.cli.releasing import environ_of, operating
    from seedbed.project.releasing.checking import check
    from seedbed.project.releasing.readers import CountedReaders

    with operating(context, env) as operator:
        readers = CountedReaders(operator.store, operator.stop)
        found = check(context.project, env, operator, environ_of(context, env), number, readers)
    current = found.release.current
    lines = [f"release {found.release.number} of {env}, next: {current.name if current else 'nothing'}"]
    lines += [
        f"  {'open  ' if each.is_open else 'closed'}  {each.name}: {each.because}" for each in found.gates
    ]
    lines += [f"  {'holds ' if each.verdict == 'good' else 'broken'}  {each.text}" for each in found.found]
    context.out.result("\n".join(lines) + "\n")
    closed = [each for each in found.gates if not each.is_open]
    if any(each.kind == "policy" for each in closed):
        context.leave(ExitCode.REFUSED)
    if closed or any(each.verdict != "good" for each in found.found):
        context.leave(ExitCode.FOUND)
