"""`seedbed restore`."""

from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.environment
@options.selection
@click.option("--unreviewed", is_flag=True, help="Confirm a change to a protected environment.")
@options.wait
@options.as_json
@command_context(CommandKind.WRITES)
def command(
    context: CommandContext,
    file: Path,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    unreviewed: bool,
    wait: float,
) -> None:
    """Restore FILE, which `seedbed dump` wrote, into one empty database.

    The target keeps its own history: first migrate it to the version that the dump was taken at.

    \b
    seedbed restore -e dev-ana -s tutor-matching --engine neo4j graph.jsonl
    """
    from seedbed.cli.planning import say_unreviewed
    from seedbed.project.protection import require_unreviewed

    require_unreviewed(context.catalog.environment(env), unreviewed)
    say_unreviewed(context, env, unreviewed)
    with context.run(env, context.databases(services, engines), wait=wait) as run:
        outcome = run.restore(file, unreviewed=unreviewed)
    context.finish(run, outcome)
