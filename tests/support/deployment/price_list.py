"""AWS's price list and Cost Explorer, answered by a proxy: in the shapes that AWS documents, with examples of prices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.aws_proxy.calls import Call
from tests.support.aws_proxy.http import Response
from tests.support.aws_proxy.proxy import Proxy

REGION = "eu-central-1"
_TWO = 2  # products a page
_JSON = {"content-type": "application/x-amz-json-1.1"}

# Service, usage type, USD, unit, further attributes. Not all of these is meant by any of ours.
Row = tuple[str, str, str, str, Mapping[str, str]]
PRICES: Sequence[Row] = (
    ("AmazonVPC", "EUC1-VpcEndpoint-Hours", "0.0120000000", "Hrs", {"endpointType": "PrivateLink"}),
    ("AmazonVPC", "EUC1-VpcEndpoint-GWLBE-Hours", "0.0130000000", "Hrs", {}),
    ("AmazonVPC", "EUC1-PublicIPv4:InUseAddress", "0.0050000000", "Hrs", {}),
    ("AmazonEC2", "EUC1-NatGateway-Hours", "0.0520000000", "Hrs", {}),
    ("AmazonEC2", "EUC1-RegionalNatGateway-Hours", "0.0990000000", "Hrs", {}),
    (
        *("AmazonRDS", "EUC1-Aurora:ServerlessV2Usage", "0.1400000000", "ACU-Hr"),
        {"databaseEngine": "Aurora PostgreSQL"},
    ),
    (
        *("AmazonRDS", "EUC1-Aurora:ServerlessV2Usage", "0.1300000000", "ACU-Hr"),
        {"databaseEngine": "Aurora MySQL"},
    ),
    (
        *("AmazonRDS", "EUC1-InstanceUsage:db.r7g.large", "0.3310000000", "Hrs"),
        {"databaseEngine": "Aurora PostgreSQL"},
    ),
    ("AmazonES", "EUC1-ESInstance:t3.small", "0.0420000000", "Hrs", {"instanceType": "t3.small.search"}),
    ("AmazonES", "EUC1-ESInstance:t3.small.elasticsearch", "0.0430000000", "Hrs", {}),
    ("AmazonES", "EUC1-ES:GP3-Storage", "0.1450000000", "GB-Mo", {}),
    ("AmazonECS", "EUC1-Fargate-vCPU-Hours:perCPU", "0.0465600000", "hours", {}),
    ("AmazonECS", "EUC1-SpotUsage-Fargate-vCPU-Hours:perCPU", "0.0140000000", "hours", {}),
    ("AmazonECS", "EUC1-Fargate-GB-Hours", "0.0051100000", "hours", {}),
    ("AWSSecretsManager", "EUC1-AWSSecretsManager-Secrets", "0.4000000000", "Secrets", {}),
    ("awskms", "eu-central-1-KMS-Keys", "1.0000000000", "Keys", {}),
)
ZONE: Row = ("AmazonRoute53", "HostedZone", "0.5000000000", "HostedZone", {})


def serve(aws: Proxy, prices: Sequence[Row] = (*PRICES, ZONE)) -> None:
    """Let `aws` answer `pricing:GetProducts` from `prices`, two products a page."""
    aws.answer(lambda call: call.operation == "GetProducts", lambda call: _products(call, prices))


def serve_spending(aws: Proxy, spent: Mapping[str, str]) -> None:
    """Let `aws` answer `ce:GetCostAndUsage`, one environment a page."""
    aws.answer(lambda call: call.operation == "GetCostAndUsage", lambda call: _spending(call, spent))


def _products(call: Call, prices: Sequence[Row]) -> Response:
    asked = call.asked
    found = [each for each in map(_product, prices) if _fits(each, asked)]
    return _page(asked, [json.dumps(each) for each in found], "PriceList", "NextToken", _TWO)


def _product(row: Row) -> dict[str, Any]:
    service, usage, usd, unit, more = row
    sku = f"SKU{abs(hash((service, usage, usd))) % 10**12:012d}"
    place = {} if row is ZONE else {"regionCode": REGION}
    dimension = {"unit": unit, "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": usd}}
    term = {"sku": sku, "priceDimensions": {f"{sku}.JRTCKXETXF.6YS6EN2CT7": dimension}}
    return {
        "product": {"sku": sku, "attributes": {"servicecode": service, "usagetype": usage, **place, **more}},
        "serviceCode": service,
        "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": term}},
        "publicationDate": "2026-11-20T17:01:02Z",
    }


def _fits(product: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    attributes = product["product"]["attributes"]
    return product["serviceCode"] == asked["ServiceCode"] and all(
        each["Value"] in attributes.get(each["Field"], "")
        if each["Type"] == "CONTAINS"
        else each["Value"] == attributes.get(each["Field"])
        for each in asked["Filters"]
    )


def _spending(call: Call, spent: Mapping[str, str]) -> Response:
    asked = call.asked
    period = asked["TimePeriod"]
    groups = [
        {"Keys": [f"environment${name}"], "Metrics": {"UnblendedCost": {"Amount": usd, "Unit": "USD"}}}
        for name, usd in spent.items()
    ]
    results = [{"TimePeriod": period, "Total": {}, "Groups": [each], "Estimated": True} for each in groups]
    return _page(asked, results, "ResultsByTime", "NextPageToken", 1)


def _page(asked: Mapping[str, Any], items: Sequence[Any], name: str, token: str, size: int) -> Response:
    at = int(asked.get(token, "0"))
    more = {token: str(at + size)} if at + size < len(items) else {}
    return Response(200, _JSON, json.dumps({name: items[at : at + size], **more}).encode())
