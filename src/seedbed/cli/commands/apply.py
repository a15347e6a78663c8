"""`seedbed apply`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context


@click.command("apply")
@options.reviewed_plan
@options.environment
@options.selection
@options.to("Stop after this version (one database only).")
@options.gate("The gate: the last phase of a release to run")
@click.option("--allow-out-of-order", is_flag=True, help="Apply migrations that are out of order as well.")
@click.option("--unreviewed", is_flag=True, help="Allow a protected environment without a plan file.")
@click.option("--seed", "seeds", is_flag=True, help="Then load the seeds that `seed` loads by default.")
@click.option("--dry-run", is_flag=True, help="Show the plan; change nothing.")
@click.option("--sql", "script", is_flag=True, help="With --dry-run: show every statement, whole.")
@options.wait
@options.as_json
@command_context(CommandKind.WRITES)
def command(
    context: CommandContext,
    plan: str | None,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    to: str | None,
    through: str,
    allow_out_of_order: bool,
    unreviewed: bool,
    seeds: bool,
    dry_run: bool,
    script: bool,
    wait: float,
) -> None:
    """Apply pending migrations to the selected databases.

    PLAN is a file that `seedbed plan --out` wrote and that was reviewed. It is refused if anything has changed
    since; a run of it that was interrupted resumes.

    With --seed, each database is seeded on which all is applied; one that failed keeps no other from it.

    \b
    seedbed apply -e sandbox
    seedbed apply -e sandbox --seed
    seedbed apply -e dev-ana -s user -s payment
    seedbed apply -e staging --through expand   before new code is deployed
    seedbed apply -e prod plan.json
    """
    from seedbed.cli.planning import request, say_unreviewed, show_plan
    from seedbed.project.filling import fill, usual_kinds
    from seedbed.project.protection import require_reviewed, require_reviewed_seeds

    wanted, databases = request(
        context, plan, env, services, engines, to, through, allow_out_of_order, unreviewed
    )
    environment = context.catalog.environment(env)
    kinds = usual_kinds(environment)
    if not dry_run:
        require_reviewed(environment, wanted)
        if seeds:
            require_reviewed_seeds(environment, kinds, wanted)
    with context.run(env, databases, wait=wait, silent=dry_run) as run:
        if dry_run:
            show_plan(context, run.plan(wanted), script=script)
            return
        say_unreviewed(context, env, unreviewed and not plan)
        context.expect(lambda: run.plan(wanted))
        outcome = fill(run, kinds, wanted) if seeds else run.apply(wanted)
    context.finish(run, outcome)
