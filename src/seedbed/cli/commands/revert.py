"""`seedbed revert`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import UsageError

if TYPE_CHECKING:
    from seedbed.model.plan import Plan


@click.command("revert")
@options.environment
@options.selection
@click.option(
    "--steps",
    cls=options.NumberOption,
    type=click.IntRange(1),
    metavar="N",
    help="How many migrations to revert (default: 1).",
)
@options.to("Revert everything after this version; 0 reverts all.")
@click.option(
    "--all", "each_of_them", is_flag=True, help="Revert on every selected database, where there are several."
)
@click.option("--unreviewed", is_flag=True, help="Confirm a change to a protected environment.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation where data would be removed.")
@click.option("--dry-run", is_flag=True, help="Show what would be reverted; change nothing.")
@click.option("--sql", "script", is_flag=True, help="With --dry-run: show every statement, whole.")
@options.wait
@options.as_json
@command_context(CommandKind.WRITES)
def command(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    steps: int | None,
    to: str | None,
    each_of_them: bool,
    unreviewed: bool,
    yes: bool,
    dry_run: bool,
    script: bool,
    wait: float,
) -> None:
    """Revert migrations, the last one first.

    Irreversible migrations are refused before anything is changed. Where data would be removed, and the environment
    is neither ephemeral nor protected, it says how much and asks, or requires --yes.

    \b
    seedbed revert -e dev-ana -s user
    seedbed revert -e dev-ana -s payment --to 20260301090000
    seedbed revert -e sandbox --all --steps 2
    """
    from seedbed.cli.planning import say_unreviewed, show_plan
    from seedbed.project.protection import asks_about_losses, require_unreviewed

    if steps and to:
        raise UsageError(
            "--steps and --to cannot be combined", because="each sets how far to revert", try_="one of them"
        )
    if not dry_run:
        require_unreviewed(context.catalog.environment(env), unreviewed)
    databases = context.databases(services, engines)
    if len(databases) > 1 and not each_of_them:
        raise UsageError(
            f"{len(databases)} databases are selected",
            because="each would lose its own last migrations",
            try_="narrow the selection with --service and --engine, or add --all",
        )
    context.catalog.require_files(databases)
    with context.run(env, databases, wait=wait, silent=dry_run) as run:
        run.require_connected()
        if dry_run:
            show_plan(context, run.plan_revert(steps=steps or 1, to=to), script=script)
            return
        if (
            not yes
            and asks_about_losses(run.environment)
            and (plan := run.plan_revert(steps=steps or 1, to=to)).losses
        ):
            _confirm(context, env, plan)
            yes = True
        say_unreviewed(context, env, unreviewed)
        context.expect(lambda: run.plan_revert(steps=steps or 1, to=to))
        outcome = run.revert(steps=steps or 1, to=to, unreviewed=unreviewed, losing=yes)
    context.finish(run, outcome)


def _confirm(context: CommandContext, env: str, plan: Plan) -> None:
    """Say how much data goes, and ask. Raises Refused where there is nobody to ask."""
    from seedbed.project.protection import require_no_loss

    if context.as_json or not context.can_ask:
        require_no_loss(context.catalog.environment(env), plan)
    with context.asking():
        for database, loss in plan.losses:
            context.out.log(f"{database} loses {loss}", level=-1)
        context.confirm(f"Revert in {env}?")
