"""What environments cost, in USD: estimated from their stacks and a price table, and what was really paid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.errors import SeedbedError
from seedbed.model.cost import Charge, CostEstimate, Period, PriceTable, Spending

ASSUMED = (
    "prices are AWS's list prices on demand: without discounts, credits, free tiers and taxes",
    "a cluster that scales has 1 capacity unit while it is used, within its own limits, and its least while it is idle",
    "a task that no service keeps runs for a tenth of the time that is used",
)
LEFT_OUT = (
    "data transfer, and what gateways and endpoints process",
    "requests: of tables, secrets, keys, logs, queries",
    "what storage holds: clusters, tables, buckets, file systems, logs, backups, snapshots, images",
)


class ChargeEntry(Part, frozen=True, kw_only=True):
    """What one kind of resource comes to."""

    what: Annotated[str, says("What it is: `interface endpoint, a zone`.")]
    idle_units: Annotated[float, says("How many units there are while the environment is idle.")]
    used_units: Annotated[float, says("How many units there are while it is used.")]
    per: Annotated[
        Literal["hour", "month", ""], says("The time that a price is for; empty where it is not known.")
    ]
    price_usd: Annotated[float | None, says("What a unit costs for that time; null where it is not known.")]
    sku: Annotated[str, says("The product in AWS's price list; empty where the price is not known.")]
    source: Annotated[str, says("Where the price was read; empty where it is not known.")]
    idle_usd: Annotated[float | None, says("What it costs in the period if the environment is idle.")]
    used_usd: Annotated[float | None, says("What it costs in the period if it is used.")]
    unknown: Annotated[str, says("Why the price is not known; empty where it is.")]

    @classmethod
    def of(cls, charge: Charge) -> ChargeEntry:
        price, meter = charge.price, charge.metered.meter
        return cls(
            what=charge.metered.what,
            idle_units=charge.metered.idle,
            used_units=charge.metered.used,
            per=meter.per if meter else "",
            price_usd=price.usd if price else None,
            sku=price.sku if price else "",
            source=price.source if price else "",
            idle_usd=charge.idle,
            used_usd=charge.used,
            unknown=charge.why,
        )


class EnvironmentCost(Part, frozen=True, kw_only=True):
    """What one environment comes to."""

    environment: Annotated[str, says("Its name.")]
    base: Annotated[
        str, says("The base that it lies in, whose cost is not in it; empty where it lies in none.")
    ]
    region: Annotated[str, says("The AWS region, whose prices are taken.")]
    stacks_are: Annotated[
        Literal["deployed", "planned"], says("Whether its stacks are there, or are what the app would make.")
    ]
    stacks: Annotated[int, says("How many stacks it has.")]
    resources: Annotated[int, says("How many resources they have.")]
    charges: Annotated[tuple[ChargeEntry, ...], says("Each kind, the most expensive first.")]
    idle_usd: Annotated[float, says("The sum of what is known, if it is idle.")]
    used_usd: Annotated[float, says("The sum of what is known, if it is used.")]
    unknown: Annotated[int, says("How many kinds have no price, and are in no sum.")]
    by_use: Annotated[
        tuple[str, ...], says("Types of resources that cost by use or by size, which is not estimated.")
    ]

    @classmethod
    def of(cls, estimate: CostEstimate) -> EnvironmentCost:
        inventory = estimate.inventory
        return cls(
            environment=inventory.environment,
            base=inventory.base,
            region=inventory.region,
            stacks_are="deployed" if inventory.is_deployed else "planned",
            stacks=inventory.stacks,
            resources=inventory.resources,
            charges=tuple(map(ChargeEntry.of, estimate.charges)),
            idle_usd=estimate.idle,
            used_usd=estimate.used,
            unknown=estimate.unknown,
            by_use=inventory.by_use,
        )


class PriceTableEntry(Part, frozen=True):
    """The price table of a region."""

    region: Annotated[str, says("The AWS region.")]
    oldest: Annotated[str, says("The day that its oldest price was read; empty where it has none.")]
    newest: Annotated[str, says("The day that its newest price was read; empty where it has none.")]
    prices: Annotated[int, says("How many prices are known.")]

    @classmethod
    def of(cls, table: PriceTable) -> PriceTableEntry:
        dates = sorted(each.date for each in table.prices.values() if each.usd is not None)
        return cls(table.region, *((dates[0], dates[-1]) if dates else ("", "")), len(dates))


class SpentEntry(Part, frozen=True):
    """What was paid for one environment."""

    environment: Annotated[str, says("Its name; empty for what has no tag `environment`.")]
    usd: Annotated[float, says("Unblended cost.")]


class ActualEntry(Part, frozen=True, kw_only=True):
    """What Cost Explorer says was paid, in one account."""

    account: Annotated[str, says("The AWS account.")]
    since: Annotated[str, says("The first day.")]
    until: Annotated[str, says("The day after the last one.")]
    spent: Annotated[tuple[SpentEntry, ...], says("By environment; empty where the tags are not activated.")]
    estimated: Annotated[bool, says("AWS may still change these numbers.")]
    requests: Annotated[int, says("How many requests to Cost Explorer this took, each of which is paid for.")]

    @classmethod
    def of(cls, account: str, spending: Spending) -> ActualEntry:
        return cls(
            account=account,
            since=spending.since,
            until=spending.until,
            spent=tuple(SpentEntry(each.environment, each.usd) for each in spending.spent),
            estimated=spending.is_estimated,
            requests=spending.requests,
        )


class CostDocument(Document, frozen=True, kw_only=True, tag="seedbed/cost/1"):
    """What environments cost."""

    commands: ClassVar = ("env cost",)

    period: Annotated[str, says("What the sums are for: `day` or `month`.")]
    hours: Annotated[float, says("How many hours that has.")]
    used_hours: Annotated[float, says("How many of them an environment is used for, if it is used.")]
    environments: Annotated[tuple[EnvironmentCost, ...], says("Those that were asked for.")]
    tables: Annotated[tuple[PriceTableEntry, ...], says("Where the prices are from, by region.")]
    assumed: Annotated[tuple[str, ...], says("What the numbers take for granted.")]
    left_out: Annotated[tuple[str, ...], says("What is in no number.")]
    actual: Annotated[tuple[ActualEntry, ...], says("What was paid, where that was asked for.")]
    unseen: Annotated[
        tuple[str, ...], says("Accounts that were not looked at: the credentials are of another one.")
    ]
    errors: Annotated[tuple[ErrorEntry, ...], says("Why an account could not be looked at, or asked.")]

    @classmethod
    def of(
        cls,
        estimates: Iterable[CostEstimate],
        tables: Iterable[PriceTable],
        period: Period,
        actual: Iterable[ActualEntry],
        unseen: Iterable[str],
        failed: Iterable[SeedbedError],
        command: str,
    ) -> CostDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            period=period.name,
            hours=period.hours,
            used_hours=period.used,
            environments=tuple(map(EnvironmentCost.of, estimates)),
            tables=tuple(map(PriceTableEntry.of, tables)),
            assumed=ASSUMED,
            left_out=LEFT_OUT,
            actual=tuple(actual),
            unseen=tuple(unseen),
            errors=tuple(ErrorEntry.of(each) for each in failed),
        )
