"""`seedbed seed`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, command_context
from seedbed.errors import ExitCode


@click.command("seed")
@options.environment
@options.selection
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(["reference", "fixture", "volume"]),
    multiple=True,
    help="Datasets to load; may be repeated (default: reference; in ephemeral environments also fixture).",
)
@options.wait
@options.as_json
@command_context
def command(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    kinds: tuple[str, ...],
    wait: float,
) -> None:
    """Load seeds: reference data everywhere, fixtures and volume data outside protected environments.

    Volume data is loaded only with --kind volume.

    Missing rows are inserted, different ones updated: a second run changes nothing.

    \b
    seedbed seed -e sandbox
    seedbed seed -e prod --kind reference
    """
    from seedbed.model.environment import is_ephemeral
    from seedbed.model.seed import SeedKind
    from seedbed.report.text.seeds import seed_text

    small = [SeedKind.REFERENCE, SeedKind.FIXTURE]
    default = small if is_ephemeral(context.catalog.environment(env)) else [SeedKind.REFERENCE]
    wanted = [SeedKind(each) for each in kinds] or default
    with context.run(env, context.databases(services, engines), wait=wait) as run:
        outcome = run.seed(wanted)
    loaded = outcome.exit_code is ExitCode.DONE or outcome.changed
    context.finish(run, outcome, seed_text(run.events) if loaded else [])
