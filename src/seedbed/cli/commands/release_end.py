"""`seedbed release back`, `seedbed release abandon`, `seedbed release close`: how a release ends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import Busy, Refused


@click.command("back", short_help="Go back to the version before.")
@click.argument("number", type=click.IntRange(1), required=False)
@options.environment
@click.option("--keep-migrations", is_flag=True, help="Take back the code alone; revert nothing.")
@click.option("--stacks", is_flag=True, help="Deploy what the release before had, too.")
@click.option("--yes", is_flag=True, help="Do not ask before what holds data is removed.")
@options.said_by
@options.as_json
@command_context(CommandKind.LOCAL)
def back(
    context: CommandContext,
    number: int | None,
    env: str,
    keep_migrations: bool,
    stacks: bool,
    yes: bool,
    note: str,
) -> None:
    """Take release NUMBER (default: the open one) back: the former code first, then what it applied, newest first.

    What is irreversible is said before anything happens. What was deployed stays, and is told: the former code does
    not use it. With --stacks, the assembly of the release before is deployed again. Once the contract has begun, only
    a snapshot has what it removed: then this says what a restore costs, and touches nothing.

    \b
    seedbed release back -e prod
    seedbed release back -e prod 12 --stacks
    seedbed release back -e prod --keep-migrations
    """
    from seedbed.cli.releasing import environ_of, operating, show
    from seedbed.project.releasing.back import Wanted, go_back

    with operating(context, env, note) as operator:
        release = go_back(
            context.project,
            env,
            operator,
            environ_of(context, env),
            number,
            Wanted(keep_migrations, stacks, partial(_confirm, context, env, yes)),
        )
    show(context, env, release.number)


def _confirm(context: CommandContext, env: str, yes: bool, losing: Sequence[str]) -> None:
    """Ask before what holds data is removed. Raises Refused where nobody can be asked."""
    what = "; ".join(losing)
    if yes:
        return
    if not context.can_ask:
        raise Refused(
            f"this would remove what holds data: {what}",
            because="there is no terminal to ask at",
            try_="--yes, or leave it: without --stacks",
        )
    context.confirm(f"Remove in {env}, with all data: {what}?")


@click.command("abandon", short_help="End a release where it is.")
@click.argument("number", type=click.IntRange(1), required=False)
@options.environment
@click.option("--because", required=True, metavar="TEXT", help="Why.")
@options.said_by
@options.as_json
@command_context(CommandKind.LOCAL)
def abandon(context: CommandContext, number: int | None, env: str, because: str, note: str) -> None:
    """End release NUMBER (default: the open one), and leave everything as it is.

    \b
    seedbed release abandon -e staging --because "13 has all of it"
    """
    _end(context, env, number, note, "abandoned", because)


@click.command("close", short_help="Close a release whose steps are over.")
@click.argument("number", type=click.IntRange(1), required=False)
@options.environment
@options.said_by
@options.as_json
@command_context(CommandKind.LOCAL)
def close(context: CommandContext, number: int | None, env: str, note: str) -> None:
    """Close release NUMBER (default: the open one), whose other steps are over; `next` does that as well.

    \b
    seedbed release close -e prod
    """
    _end(context, env, number, note, "closed", "")


def _end(context: CommandContext, env: str, number: int | None, note: str, state: str, because: str) -> None:
    from seedbed.cli.releasing import show, store_of
    from seedbed.planning.releases import end
    from seedbed.project.releasing.facts import chosen

    store = store_of(context, env)
    release = chosen(store, env, number)
    ended = end(release, state, store.caller(note), store.now(), because)  # type: ignore[arg-type]
    if not store.replace(ended):
        raise Busy(
            f"release {release.number} of {env} was changed meanwhile",
            because="another operator goes on with it",
            try_="look at it again",
        )
    show(context, env, release.number)
