"""`seedbed env gc`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context, signals
from seedbed.errors import ExitCode, Refused, SeedbedError, exit_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedbed.documents.inventory import CollectedEntry
    from seedbed.execution.stopping import Stop
    from seedbed.model.environment import Environment


@click.command("gc", short_help="Delete environments whose time is over.")
@click.option("--dry-run", is_flag=True, help="Show what would go; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--most",
    cls=options.NumberOption,
    type=click.IntRange(0),
    default=5,
    metavar="N",
    help="How many to delete a day (default: 5); 0: only mark.",
)
@click.option("--exit-code", "as_code", is_flag=True, help="Exit with 6 if any is still due at the end.")
@options.as_json
@command_context(CommandKind.LOCAL)
def command(context: CommandContext, dry_run: bool, yes: bool, most: int, as_code: bool) -> None:
    """Delete the ephemeral environments whose time is over, with all data, and what was left behind in a base.

    Each is marked first, and goes a day later unless it is used until then. Nothing goes in an account that
    holds a protected environment, no base, nothing that no pattern of the manifest declares, and nothing whose last
    use is not known. Run again, it goes on with what is left.

    \b
    seedbed env gc --dry-run
    seedbed env gc --yes --most 3
    seedbed env gc --dry-run --exit-code   6 if any is due
    """
    from seedbed.documents.inventory import CollectionDocument
    from seedbed.execution.stopping import Stop
    from seedbed.project.inventory import failures, sites
    from seedbed.project.telling import tell
    from seedbed.report.text.inventory import collection_text

    stop = Stop()
    places = sites(context.project.platform)
    with signals(stop):
        if not (dry_run or yes):
            _ask(context, _collected(context, places, stop, most=most, dry_run=True)[0])
        found, errors = _collected(context, places, stop, most=most, dry_run=dry_run)
        told, warnings = ([], []) if dry_run else tell(context.project.targets, found)
    document = CollectionDocument.of(
        found,
        errors,
        most=most,
        dry_run=dry_run,
        command=context.command,
        told=told,
        warnings=warnings,
    )
    context.show(document, collection_text)
    failed = [ExitCode(each.error.exit_code) for each in found if each.error]
    codes = [*failed, *(each.exit_code for each in failures(errors, len(places)))]
    if codes:
        context.leave(exit_code(codes, changed=any(each.done == "collected" for each in found)))
    left = [each for each in found if each.there.fate == "due" and each.done in {"", "postponed"}]
    if as_code and left:
        context.leave(ExitCode.FOUND)


def _collected(
    context: CommandContext, places: Sequence[Environment], stop: Stop, *, most: int, dry_run: bool
) -> tuple[list[CollectedEntry], list[SeedbedError]]:
    """Return the outcome for each environment, and why accounts could not be looked at."""
    from seedbed.documents.inventory import CollectedEntry
    from seedbed.project.collecting import Collector, reached
    from seedbed.project.inventory import entry
    from seedbed.report.listening import listener_for

    found: list[CollectedEntry] = []
    errors: list[SeedbedError] = []
    targets = context.project.targets
    for where in places:
        try:
            with (
                listener_for(context.out, targets=(), tells_failures=context.as_json) as progress,
                reached(targets, where) as servers,
            ):
                collector = Collector(
                    targets, where, progress, stop, most=most, dry_run=dry_run, servers=servers
                )
                for each in collector.collect():
                    there = entry(each.found, each.prospect, collector.cloud)
                    found.append(CollectedEntry.of(there, each.done, each.error, each.found.callers))
        except SeedbedError as error:
            errors.append(error)
    return found, errors


def _ask(context: CommandContext, found: Sequence[CollectedEntry]) -> None:
    """Ask before anything is deleted. Raises Refused where nobody can be asked."""
    names = ", ".join(each.there.environment for each in found if each.there.fate == "due")
    if not names:
        return
    if not context.can_ask:
        raise Refused(
            f"env gc would delete {names}",
            because="there is no terminal to ask at",
            try_="confirm it with --yes, or look with --dry-run",
        )
    context.confirm(f"This deletes {names}, with all data. Go on?")
