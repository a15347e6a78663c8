"""`seedbed snapshot swap`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.cli.snapshots import of_release, reached, the_only
from seedbed.errors import Refused

if TYPE_CHECKING:
    from seedbed.model.snapshot import Swap


@click.command("swap", short_help="Let a copy take the place of its database.")
@options.environment
@options.selection
@of_release
@click.option("--back", is_flag=True, help="Give the database its place again.")
@click.option("--dry-run", is_flag=True, help="Say what would be lost, and who is connected; do nothing.")
@click.option("--disconnect", is_flag=True, help="Cut off who else is connected.")
@click.option("--unreviewed", is_flag=True, help="Confirm a change to a protected environment.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@options.as_json
@command_context(CommandKind.LOCAL)
def command(
    context: CommandContext,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    release: int,
    back: bool,
    dry_run: bool,
    disconnect: bool,
    unreviewed: bool,
    yes: bool,
) -> None:
    """Let the copy that `snapshot restore` made take the place of its database: all writes since then are lost.

    What is lost is said before. What had the place is kept, and --back gives it back. Works from here, with your own
    rights: seedbed's task may not do it. docs/how-to/swap-a-snapshot.md says what each engine does.

    \b
    seedbed snapshot swap -e prod --release 12 -s user --dry-run
    seedbed snapshot swap -e prod --release 12 -s user --unreviewed
    seedbed snapshot swap -e prod --release 12 -s user --unreviewed --back
    """
    from seedbed.documents.snapshot import SwapDocument
    from seedbed.project import swaps
    from seedbed.project.protection import require_unreviewed
    from seedbed.report.text.snapshots import swap_text

    database = the_only(context.databases(services, engines))
    environment = context.catalog.environment(env)
    if not dry_run:
        require_unreviewed(environment, unreviewed)
    if environment.has_runs:
        context.out.log(
            f"{database.id} has to be reached from here: the task of {env} swaps nothing. "
            "docs/how-to/swap-a-snapshot.md says how"
        )
    with (
        reached(context, env) as (snapshots, stop),
        swaps.swapping(snapshots, context.project.targets, database, release, stop=stop) as swapping,
    ):
        found = swapping.look(back=back)
        if not dry_run:
            if not found.is_over:
                swaps.require_good(found)
                _confirm(context, env, found, yes=yes)
            found = swapping.carry_out(found, disconnect=disconnect)
    context.show(SwapDocument.of(env, found, context.command, dry_run=dry_run), swap_text)


def _confirm(context: CommandContext, env: str, found: Swap, *, yes: bool) -> None:
    """Say what is lost, and ask for the environment's name. Raises Refused where there is no terminal to ask at."""
    from seedbed.documents.snapshot import SwapDocument
    from seedbed.report.text.snapshots import planned_swap

    context.out.log(planned_swap(SwapDocument.of(env, found, context.command)))
    if yes:
        return
    if not context.can_ask:
        raise Refused(
            f"the swap loses data of {found.database}",
            because="; ".join(found.lost),
            try_="confirm it with --yes",
        )
    if context.prompt(f"This loses what is said above. Type {env} to go on") != env:
        raise click.Abort
