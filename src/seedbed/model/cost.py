"""What an environment costs: what is metered, what a unit of it costs, what both come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

HOURS_A_MONTH = 730.0  # as AWS counts them
Per = Literal["hour", "month"]


class Meter(Struct, frozen=True, order=True):
    """What AWS has one price for in a region.

    `service`: its code in the price list, "AmazonVPC". `usage`: how its usage type ends, "VpcEndpoint-Hours"; what
    stands before that says the region. `having`: what its attributes have to be besides, of which letters and digits
    alone count. `is_regional`: False for what has one price for the whole world. `per`: what time a unit is for.
    """

    service: str
    usage: str
    per: Per = "hour"
    having: tuple[tuple[str, str], ...] = ()
    is_regional: bool = True

    @property
    def id(self) -> str:
        """What names it in a price table: `AmazonES ESInstance:t3.small`."""
        return " ".join((self.service, self.usage, *(f"{key}={value}" for key, value in self.having)))


class Metered(Struct, frozen=True):
    """One kind of what is paid for by the hour or by the month.

    `what`: what it is, for people. `idle`, `used`: how many units of it there are while the environment is idle, and
    while it is used. `meter`: None where it is not known how it is billed.
    """

    what: str
    meter: Meter | None
    idle: float
    used: float


class Price(Struct, frozen=True):
    """What a unit costs in a region. `usd`: None where the price list did not say, `source` then says why.

    `unit`, `sku`: as the price list names them. `date`: when it was read, `2026-11-30`. `source`: from where.
    """

    usd: float | None
    unit: str = ""
    sku: str = ""
    date: str = ""
    source: str = ""


class PriceTable(Struct, frozen=True):
    """The prices of a region that are known, by the ids of their meters."""

    region: str
    prices: Mapping[str, Price] = field(default_factory=dict)

    def price(self, meter: Meter | None) -> Price | None:
        """Return the price of a meter, None where none is known."""
        found = self.prices.get(meter.id) if meter else None
        return found if found and found.usd is not None else None


class Inventory(Struct, frozen=True):
    """What the stacks of one environment have.

    `base`: the environment that it lies in, "" for none. `is_deployed`: they are there; else they are what the app
    would make. `metered`: each kind once. `by_use`: types of resources that cost by what is done with them, or by what
    they hold; these are not estimated.
    """

    environment: str
    base: str
    region: str
    is_deployed: bool
    stacks: int
    resources: int
    metered: tuple[Metered, ...]
    by_use: tuple[str, ...] = ()


class Period(Struct, frozen=True):
    """A time for which a cost is told. `hours`: how long it is. `used`: how many of them an environment is used for."""

    name: str
    hours: float
    used: float


class Charge(Struct, frozen=True):
    """What a kind comes to in a period; None where its price is not known. `why`: the reason for that."""

    metered: Metered
    price: Price | None
    idle: float | None
    used: float | None
    why: str = ""


class CostEstimate(Struct, frozen=True):
    """What an environment comes to in a period. `idle`, `used`: sums of what is known."""

    inventory: Inventory
    charges: tuple[Charge, ...]
    idle: float
    used: float

    @property
    def unknown(self) -> int:
        return sum(each.price is None for each in self.charges)


class Spent(Struct, frozen=True):
    """What was really paid for an environment; "" is what carries no such tag."""

    environment: str
    usd: float


class Spending(Struct, frozen=True):
    """What Cost Explorer says. `since`, `until`: days, the last one excluded. `requests`: how many were paid for."""

    since: str
    until: str
    spent: tuple[Spent, ...]
    requests: int
    is_estimated: bool = False
