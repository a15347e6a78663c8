"""The price table of a region: kept in the user's cache, filled from AWS's price list by request."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import msgspec
from msgspec import Struct

from seedbed.aws import price_list
from seedbed.aws.cloud import Cloud
from seedbed.errors import UsageError
from seedbed.model.cost import Meter, Price, PriceTable
from seedbed.servers.jars import cache
from seedbed.support.typed import UNREADABLE, ready


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    meter: str
    price: Price


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """As it lies there: `date` is when it was written, each price has its own."""

    region: str
    date: str
    prices: list[_Entry]


def path(region: str) -> Path:
    """Return where the table of a region lies, or would lie."""
    return cache() / "prices" / f"{region}.json"


def read(region: str) -> PriceTable:
    """Return the prices of a region that are known: none where there is no table. Raises UsageError."""
    file = path(region)
    try:
        found = msgspec.json.decode(file.read_bytes(), type=ready(_File))
    except FileNotFoundError:
        return PriceTable(region)
    except (OSError, *UNREADABLE) as error:
        raise UsageError(
            f"the price table {file} cannot be read",
            because=f"{type(error).__name__}: {error}",
            try_=f"rm {file}, then fill it anew with --refresh",
        ) from None
    return PriceTable(region, {each.meter: each.price for each in found.prices})


def refreshed(
    cloud: Cloud, meters: Collection[Meter], table: PriceTable, *, date: str, tell: Callable[[str], None]
) -> PriceTable:
    """Return `table` with what `meters` cost today, kept on this machine. Raises what AWS raises.

    What the price list does not know any more is not known from then on: an old price would be shown as if it held.
    """
    prices = dict(table.prices)
    for meter in sorted(meters):
        tell(meter.id)
        prices[meter.id] = price_list.price(cloud, meter, date=date)
    made = PriceTable(table.region, prices)
    _write(made, date)
    return made


def _write(table: PriceTable, date: str) -> None:
    prices = [_Entry(name, price) for name, price in sorted(table.prices.items())]
    text = msgspec.json.format(msgspec.json.encode(_File(table.region, date, prices)), indent=1) + b"\n"
    file = path(table.region)
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(text)
    new.replace(file)
