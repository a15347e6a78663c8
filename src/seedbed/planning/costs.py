"""From what an environment has, and a price table, to what it costs."""

from __future__ import annotations

from seedbed.model.cost import (
    HOURS_A_MONTH,
    Charge,
    CostEstimate,
    Inventory,
    Metered,
    Period,
    Price,
    PriceTable,
)

DAY = Period("day", 24.0, 8.0)
MONTH = Period("month", HOURS_A_MONTH, 160.0)


def estimate(inventory: Inventory, table: PriceTable, period: Period) -> CostEstimate:
    """Return what `inventory` comes to in `period`, the most expensive first, then what has no price."""
    charges = [_charge(each, table, period) for each in inventory.metered]
    charges.sort(key=lambda each: (each.used is None, -(each.used or 0.0), each.metered.what))
    return CostEstimate(
        inventory,
        tuple(charges),
        sum(each.idle or 0.0 for each in charges),
        sum(each.used or 0.0 for each in charges),
    )


def _charge(metered: Metered, table: PriceTable, period: Period) -> Charge:
    price = table.price(metered.meter)
    if metered.meter is None or price is None:
        return Charge(metered, None, None, None, _why(metered, table))
    used = metered.used * period.used + metered.idle * (period.hours - period.used)
    return Charge(
        metered, price, _usd(price, metered, metered.idle * period.hours), _usd(price, metered, used)
    )


def _usd(price: Price, metered: Metered, unit_hours: float) -> float:
    """Return what units cost that were there for so many hours, all together."""
    is_monthly = metered.meter is not None and metered.meter.per == "month"
    return (price.usd or 0.0) * unit_hours / (HOURS_A_MONTH if is_monthly else 1.0)


def _why(metered: Metered, table: PriceTable) -> str:
    if metered.meter is None:
        return "seedbed does not know how it is billed"
    found = table.prices.get(metered.meter.id)
    return found.source if found else f"it is not in the price table of {table.region}"
