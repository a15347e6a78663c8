"""`seedbed dump`."""

from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context


@click.command("dump")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@options.environment
@options.selection
@options.as_json
@command_context(CommandKind.READS)
def command(
    context: CommandContext, file: Path, env: str, services: tuple[str, ...], engines: tuple[str, ...]
) -> None:
    """Write all data of one small database to FILE, as lines of text, without the history.

    It is for databases that have no such tool of their own. One that is too large is refused before anything is
    written, and FILE appears only when it is complete.

    \b
    seedbed dump -e staging -s tutor-matching --engine neo4j graph.jsonl
    """
    with context.run(env, context.databases(services, engines), wait=0) as run:
        outcome = run.dump(file)
    context.finish(run, outcome)
