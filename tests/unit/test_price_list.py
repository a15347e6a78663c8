"""Answers of AWS's price list, in the shape that its documentation gives them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seedbed.aws import clients, price_list
from seedbed.aws.cloud import Cloud
from seedbed.model.cost import Meter, Price

ENDPOINT = Meter("AmazonVPC", "VpcEndpoint-Hours")
ACU = Meter("AmazonRDS", "Aurora:ServerlessV2Usage", having=(("databaseEngine", "aurora-postgresql"),))


def product(usage: str, *usd: str, unit: str = "Hrs", sku: str = "AAA", **attributes: str) -> dict[str, Any]:
    """Return a product with a price for each of `usd`: of the first unit, then of more."""
    tiers = {
        f"{sku}.JRTCKXETXF.{number}": {
            "unit": unit,
            "beginRange": str(number * 1000),
            "endRange": "Inf",
            "pricePerUnit": {"USD": each},
        }
        for number, each in enumerate(usd)
    }
    return {
        "product": {"sku": sku, "productFamily": "", "attributes": {"usagetype": usage, **attributes}},
        "serviceCode": "AmazonVPC",
        "terms": {
            "OnDemand": {f"{sku}.JRTCKXETXF": {"sku": sku, "priceDimensions": tiers}},
            "Reserved": {f"{sku}.X": {"priceDimensions": {"x": {"pricePerUnit": {"USD": "9"}}}}},
        },
        "version": "20261120",
        "publicationDate": "2026-11-20T17:01:02Z",
    }


def ask(
    monkeypatch: pytest.MonkeyPatch, meter: Meter, *products: dict[str, Any], region: str = "eu-central-1"
) -> tuple[Price, list[dict[str, Any]]]:
    """Return what is made of an answer, one product a page, and what was asked."""
    asked: list[dict[str, Any]] = []

    def call(cloud: Cloud, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        assert (service, operation) == ("pricing", "GetProducts")
        asked.append({"region": cloud.region, **parameters})
        at = int(parameters.get("NextToken", "0"))
        page = [json.dumps(each) for each in products[at : at + 1]]
        return {"PriceList": page, **({"NextToken": str(at + 1)} if at + 1 < len(products) else {})}

    monkeypatch.setattr(clients, "call", call)
    return price_list.price(Cloud(region, "111111111111"), meter, date="2026-11-30"), asked


def test_a_price_says_where_and_when_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = ask(monkeypatch, ENDPOINT, product("EUC1-VpcEndpoint-Hours", "0.0120000000"))
    assert found == Price(
        0.012, "Hrs", "AAA", "2026-11-30", "Price List API, AmazonVPC, published 2026-11-20"
    )
    [one] = asked
    assert one["ServiceCode"] == "AmazonVPC"
    assert one["Filters"] == [
        {"Type": "CONTAINS", "Field": "usagetype", "Value": "VpcEndpoint-Hours"},
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-central-1"},
    ]


@pytest.mark.parametrize(
    ("region", "there"),
    [
        *(("eu-west-1", "eu-central-1"), ("ap-northeast-2", "ap-south-1"), ("us-west-2", "us-east-1")),
        ("sa-east-1", "us-east-1"),
    ],
)
def test_the_price_list_is_asked_where_it_answers_about_every_region(
    monkeypatch: pytest.MonkeyPatch, region: str, there: str
) -> None:
    found, [asked] = ask(monkeypatch, ENDPOINT, product("VpcEndpoint-Hours", "0.01"), region=region)
    assert found.usd == 0.01
    assert asked["region"] == there
    assert {"Type": "TERM_MATCH", "Field": "regionCode", "Value": region} in asked["Filters"]


def test_what_has_one_price_for_the_world_is_asked_without_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter("AmazonRoute53", "HostedZone", "month", is_regional=False)
    found, [asked] = ask(monkeypatch, meter, product("HostedZone", "0.50", "0.10", unit="HostedZone"))
    assert found.usd == 0.5  # of the first 25
    assert [each["Field"] for each in asked["Filters"]] == ["usagetype"]


@pytest.mark.parametrize(
    "usage",
    ["EUC1-RegionalVpcEndpoint-Hours", "EUC1-VpcEndpoint-Hours-Reserved", "EUC1-SpotUsage-VpcEndpoint-Hours"],
)
def test_a_usage_type_that_only_has_it_in_it_is_another_one(
    monkeypatch: pytest.MonkeyPatch, usage: str
) -> None:
    found, _ = ask(monkeypatch, ENDPOINT, product(usage, "9"), product("EUC1-VpcEndpoint-Hours", "0.012"))
    assert found.usd == 0.012
    found, _ = ask(monkeypatch, ENDPOINT, product(usage, "9"))
    assert found.usd is None
    assert found.source == "the price list has no AmazonVPC VpcEndpoint-Hours in eu-central-1"


def test_a_region_may_stand_in_front_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter("awskms", "KMS-Keys", "month")
    assert ask(monkeypatch, meter, product("eu-central-1-KMS-Keys", "1", unit="Keys"))[0].usd == 1


def test_attributes_tell_engines_apart_however_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    usage, unit = "EUC1-Aurora:ServerlessV2Usage", "ACU-Hr"
    other = product(usage, "0.13", unit=unit, sku="OTHER", databaseEngine="Aurora MySQL")
    meant = product(usage, "0.14", unit=unit, sku="MEANT", databaseEngine="Aurora PostgreSQL")
    found, asked = ask(monkeypatch, ACU, other, meant)
    assert (found.usd, found.sku) == (0.14, "MEANT")
    assert len(asked) == 2  # pages


def test_several_products_of_one_price_are_one_price(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = [product("EUC1-VpcEndpoint-Hours", "0.012", sku=sku) for sku in ("BBB", "AAA")]
    assert ask(monkeypatch, ENDPOINT, *pair)[0].sku == "AAA"


def test_of_several_prices_none_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = [product("EUC1-VpcEndpoint-Hours", usd, sku=usd) for usd in ("0.012", "0.013")]
    found, _ = ask(monkeypatch, ENDPOINT, *pair)
    assert found.usd is None
    assert found.source == "the price list has several prices of AmazonVPC VpcEndpoint-Hours: 0.012, 0.013"
    without = product("EUC1-VpcEndpoint-Hours", "0.012")
    without["terms"] = {}
    assert ask(monkeypatch, ENDPOINT, without)[0].usd is None


def test_a_price_for_another_unit_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = ask(monkeypatch, ENDPOINT, product("EUC1-VpcEndpoint-Hours", "0.012", unit="GB"))
    assert found.usd is None
    assert found.source == "the price list counts AmazonVPC VpcEndpoint-Hours in GB, which is not hours"
