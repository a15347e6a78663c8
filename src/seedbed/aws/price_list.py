"""AWS's price list: what a unit of something costs in a region, as `pricing:GetProducts` says it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.model.cost import Meter, Price

# The price list of the whole world is asked in one of these.
_REGIONS = {"eu": "eu-central-1", "ap": "ap-south-1"}
_DEFAULT = "us-east-1"
_UNITS = {
    "hour": {"hrs", "hours", "hour", "acu-hr", "acu-hrs", "vcpu-hours", "gb-hours"},
    "month": {"gb-mo", "gb-month", "months", "month", "mo", "secrets", "keys", "key", "hostedzone"},
}
_MOST = 20  # pages
# In front of a usage type: EUC1-, USE1-, EU-, or eu-central-1-; of spot capacity more stands there
_REGION = r"(?:[A-Z]{2,4}\d?-|[a-z]{2}(?:-[a-z]+)+-\d-)?"


def price(cloud: Cloud, meter: Meter, *, date: str) -> Price:
    """Return the price of a meter in the region of `cloud`; without a number where the list has none, or several.

    It is the one on demand, of the first unit: where more of it costs less, that is not told. Raises what AWS raises.
    """
    found = [each for each in _products(cloud, meter) if _is_meant(each, meter)]
    if not found:
        return Price(None, date=date, source=f"the price list has no {meter.id} in {cloud.region}")
    prices = [_price(each, date) for each in found]
    amounts = sorted({each.usd for each in prices if each.usd is not None})
    if len(amounts) != 1 or any(each.usd is None for each in prices):
        told = ", ".join(f"{each:g}" for each in amounts) or "none that can be read"
        return Price(None, date=date, source=f"the price list has several prices of {meter.id}: {told}")
    first = min(prices, key=lambda each: each.sku)
    if first.unit.lower() not in _UNITS[meter.per]:
        why = f"the price list counts {meter.id} in {first.unit}, which is not {meter.per}s"
        return Price(None, date=date, source=why)
    return first


def _products(cloud: Cloud, meter: Meter) -> Iterator[Mapping[str, Any]]:
    """Yield the products whose usage type has that of `meter` in it."""
    there = replace(cloud, region=_REGIONS.get(cloud.region.partition("-")[0], _DEFAULT), account="")
    filters = [{"Type": "CONTAINS", "Field": "usagetype", "Value": meter.usage}]
    if meter.is_regional:
        filters.append({"Type": "TERM_MATCH", "Field": "regionCode", "Value": cloud.region})
    asked: dict[str, Any] = {"ServiceCode": meter.service, "Filters": filters, "FormatVersion": "aws_v1"}
    for _ in range(_MOST):
        answer = clients.call(there, "pricing", "GetProducts", **asked)
        for each in answer.get("PriceList", ()):
            yield json.loads(each) if isinstance(each, str) else each
        if not answer.get("NextToken"):
            return
        asked["NextToken"] = answer["NextToken"]


def _is_meant(product: Mapping[str, Any], meter: Meter) -> bool:
    """Return whether a product is what `meter` stands for: of its usage type but for the region in front."""
    attributes = product.get("product", {}).get("attributes", {})
    usage = str(attributes.get("usagetype", ""))
    is_same = re.fullmatch(_REGION + re.escape(meter.usage), usage) is not None
    return is_same and all(_plain(attributes.get(key, "")) == _plain(value) for key, value in meter.having)


def _plain(text: Any) -> str:
    return re.sub(r"[^a-z0-9]", "", str(text).lower())


def _price(product: Mapping[str, Any], date: str) -> Price:
    """Return what a product costs on demand; without a number where that is not one price."""
    sku = str(product.get("product", {}).get("sku", ""))
    tiers = [
        tier
        for term in product.get("terms", {}).get("OnDemand", {}).values()
        for tier in term.get("priceDimensions", {}).values()
        if float(tier.get("beginRange") or 0) == 0
    ]
    if len(tiers) != 1 or "USD" not in tiers[0].get("pricePerUnit", {}):
        return Price(None, sku=sku, date=date)
    code, published = product.get("serviceCode", ""), str(product.get("publicationDate", ""))[:10]
    source = f"Price List API, {code}" + (f", published {published}" if published else "")
    return Price(
        float(tiers[0]["pricePerUnit"]["USD"]), str(tiers[0].get("unit", "")), sku, date, source.strip(", ")
    )
