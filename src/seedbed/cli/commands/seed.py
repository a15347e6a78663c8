"""`seedbed seed`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import ExitCode


@click.command("seed")
@options.reviewed_plan
@options.environment
@options.selection
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(["reference", "fixture", "volume"]),
    multiple=True,
    help="Datasets to load; may be repeated (default: reference; in ephemeral environments also fixture).",
)
@click.option("--unreviewed", is_flag=True, help="Allow a protected environment without a plan file.")
@options.wait
@options.as_json
@command_context(CommandKind.WRITES)
def command(
    context: CommandContext,
    plan: str | None,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    kinds: tuple[str, ...],
    unreviewed: bool,
    wait: float,
) -> None:
    """Load seeds: reference data everywhere, fixtures and volume data outside protected environments.

    Volume data is loaded only with --kind volume.

    Missing rows are inserted, different ones updated: a second run changes nothing.

    PLAN is a file that `seedbed plan --out` wrote and that was reviewed: a protected environment requires it, and it is
    refused if a seed was changed since.

    \b
    seedbed seed -e sandbox
    seedbed seed -e staging --kind reference
    seedbed seed -e prod plan.json
    """
    from seedbed.cli.planning import say_unreviewed, seed_request
    from seedbed.model.seed import SeedKind
    from seedbed.project.filling import usual_kinds
    from seedbed.project.protection import require_reviewed_seeds
    from seedbed.report.text.seeds import seed_text

    environment = context.catalog.environment(env)
    wanted = [SeedKind(each) for each in kinds] or usual_kinds(environment)
    request, databases = seed_request(context, plan, env, services, engines, kinds, unreviewed)
    require_reviewed_seeds(environment, wanted, request)
    say_unreviewed(context, env, unreviewed and not plan)
    with context.run(env, databases, wait=wait) as run:
        outcome = run.seed(wanted, request)
    loaded = outcome.exit_code is ExitCode.DONE or outcome.changed
    others = () if environment.protected else context.catalog.seed_kinds(databases)
    lines = seed_text(run.events, wanted, others) if loaded else []
    context.finish(run, outcome, lines)
