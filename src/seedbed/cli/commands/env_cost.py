"""`seedbed env cost`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context, signals
from seedbed.errors import Hint, Refused, SeedbedError, UsageError, call

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    from seedbed.aws.cloud import Cloud
    from seedbed.documents.cost import ActualEntry
    from seedbed.project.costing import Costing


@click.command("cost", short_help="Estimate what environments cost.")
@click.argument("name", required=False, default="", shell_complete=options.known("environments"))
@click.option(
    "--month", is_flag=True, help="A month of 730 hours, 160 of them used (default: a day, 8 hours)."
)
@click.option("--planned", is_flag=True, help="What the CDK app makes now, not what is deployed.")
@options.assembly("Take this cloud assembly, which was synthesised before.")
@click.option("--refresh", is_flag=True, help="Ask AWS's price list, and keep its answers on this machine.")
@click.option("--actual", is_flag=True, help="Ask Cost Explorer what was paid; a request costs $0.01.")
@click.option("--yes", is_flag=True, help="Do not ask before Cost Explorer is asked.")
@options.as_json
@command_context(CommandKind.LOCAL)
def command(
    context: CommandContext,
    name: str,
    month: bool,
    planned: bool,
    assembly: str | None,
    refresh: bool,
    actual: bool,
    yes: bool,
) -> None:
    """Estimate what NAME costs, idle and used, with the base that it lies in (default: all that is deployed).

    From its stacks, or from those that the CDK app makes where it has none, and a table of prices that --refresh fills.
    What has no price is in no sum, and is said.

    \b
    seedbed env cost
    seedbed env cost dev-ana --month --refresh
    seedbed env cost staging --month --planned
    seedbed env cost --actual
    """
    from datetime import UTC, datetime

    from seedbed.documents.cost import CostDocument
    from seedbed.execution.stopping import Stop
    from seedbed.planning.costs import DAY, MONTH
    from seedbed.project.costing import Costing, CostRequest
    from seedbed.report.text.cost import cost_text

    context.environment = name
    if not name and (planned or assembly):
        raise _none_is_named(["--planned"] if planned else ["--assembly", "DIR"])
    stop, today = Stop(), datetime.now(UTC).date()
    period = MONTH if month else DAY
    with signals(stop):
        costing = Costing(context.catalog, context.project.targets, stop, context.out.log)
        request = CostRequest(name, planned, Path(assembly).absolute() if assembly else None)
        inventories = costing.inventories(request)
        if refresh:
            costing.refresh(inventories.found, today)
        names = {each.environment for each in inventories.found} if name else set()
        places = inventories.places if actual else ()
        paid, failed = _paid(context, costing, places, today, names, yes=yes)
    errors: list[SeedbedError] = [*inventories.errors, *failed]
    regions = sorted({each.region for each in inventories.found})
    document = CostDocument.of(
        costing.estimates(inventories.found, period),
        [costing.table(each) for each in regions],
        period,
        paid,
        inventories.unseen,
        errors,
        context.command,
    )
    context.show(document, cost_text)
    context.leave_for(errors)


def _none_is_named(option: Sequence[str]) -> UsageError:
    return UsageError(
        f"{option[0]} is about one environment, and none is named",
        because="a CDK app makes the stacks of one at a time",
        try_=Hint(call("env cost", "dev-ana", *option)),
    )


def _paid(
    context: CommandContext,
    costing: Costing,
    places: Sequence[Cloud],
    today: date,
    names: Collection[str],
    *,
    yes: bool,
) -> tuple[list[ActualEntry], list[SeedbedError]]:
    """Return what was paid in each account, after a yes. Raises Refused where nobody can be asked for one."""
    from seedbed.documents.cost import ActualEntry

    accounts = {each.account: each for each in places}
    if not yes and accounts:
        what = f"Cost Explorer is asked in {len(accounts)} account{'s' if len(accounts) > 1 else ''}"
        if not context.can_ask:
            raise Refused(
                f"{what}, and each request costs $0.01",
                because="there is no terminal to ask at",
                try_="--yes, or leave out --actual",
            )
        context.confirm(f"{what}; each request costs $0.01, mostly one an account. Go on?")
    paid: list[ActualEntry] = []
    failed: list[SeedbedError] = []
    for account, cloud in sorted(accounts.items()):
        try:
            paid.append(ActualEntry.of(account, costing.spending(cloud, today, names)))
        except SeedbedError as error:
            failed.append(error)
    return paid, failed
