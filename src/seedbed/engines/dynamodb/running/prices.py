"""What capacity units cost on demand: the list prices of some regions, as of one day."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

DATE = "2026-08-15"  # on which the list was published
SOURCE = f"AWS Price List, AmazonDynamoDB, {DATE}"


class RequestPrice(Struct, frozen=True):
    """US dollars for a million request units on demand, standard table class, without tax or discounts."""

    reads: float
    writes: float

    def dollars(self, reads: float, writes: float) -> float:
        return (reads * self.reads + writes * self.writes) / 1e6


# Only regions whose prices were looked up: for any other, no money is better than a guess.
_PRICES: Mapping[str, RequestPrice] = {
    "eu-central-1": RequestPrice(reads=0.1525, writes=0.7625),
    "eu-west-1": RequestPrice(reads=0.1415, writes=0.705),
    "us-east-1": RequestPrice(reads=0.125, writes=0.625),
}


def price(region: str) -> RequestPrice | None:
    """Return the prices of `region`, None where they are not known."""
    return _PRICES.get(region)
