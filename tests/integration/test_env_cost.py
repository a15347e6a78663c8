"""What environments cost: stacks as they are in the sandbox's AWS, prices as AWS's price list tells them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from tests.integration.conftest import EDTECH
from tests.support.aws_proxy import Proxy, on, proxy
from tests.support.deployment.price_list import PRICES, serve, serve_spending
from tests.support.deployment.releases import Shop
from tests.support.deployment.stage import Stage

pytestmark = pytest.mark.slow(30)

DEV = "111111111111"  # the account that edtech declares


@pytest.fixture
def aws(ministack_account: World) -> Iterator[Proxy]:
    with proxy(ministack_account.endpoint) as running:
        yield running


@pytest.fixture
def whole(tmp_path: Path, ministack_account: World, aws: Proxy, assemblies: Path) -> Shop:
    """Edtech in dev-ana, with all of its stacks made, and a price list that was not asked yet."""
    Shop(tmp_path, ministack_account, tmp_path).prepare()
    stage = Stage(ministack_account, DEV)
    stage.make(stage.assembly(assemblies / "whole-dev-ana", tmp_path / "made"))
    text = (EDTECH / "seedbed.toml").read_text(encoding="utf-8")
    (tmp_path / "seedbed.toml").write_text(text.replace(DEV, ministack_account.account), encoding="utf-8")
    (tmp_path / "services").symlink_to(EDTECH / "services")
    kept = {"SEEDBED_CDK": "/nowhere/cdk", "SEEDBED_CACHE": str(tmp_path / "cache")}
    return replace(Shop(tmp_path, ministack_account, tmp_path), endpoint=aws.endpoint, variables=kept)


def cost(shop: Shop, *arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the document of `env cost`, and what it says of dev-ana."""
    done = shop.run("env", "cost", *arguments, "--json")
    assert done.code == 0, done.everything
    document: dict[str, Any] = json.loads(done.out)
    [ana] = [each for each in document["environments"] if each["environment"] == "dev-ana"]
    return document, ana


def test_it_is_estimated_from_stacks_and_from_prices_that_were_asked_for(whole: Shop, aws: Proxy) -> None:
    before, ana = cost(whole, "dev-ana")
    assert (ana["idle_usd"], ana["unknown"]) == (0.0, len(ana["charges"]))  # nothing is guessed
    assert before["tables"] == [{"region": "eu-central-1", "oldest": "", "newest": "", "prices": 0}]
    assert aws.of("GetProducts") == []

    serve(aws)
    _, ana = cost(whole, "dev-ana", "--month", "--refresh")
    assert ana["unknown"] == 0, ana["charges"]
    assert (ana["stacks_are"], ana["stacks"]) == ("deployed", 13)
    told = {each["what"]: each for each in ana["charges"]}
    assert told["interface endpoint, a zone"]["idle_usd"] == pytest.approx(5 * 0.012 * 730)
    assert told["search node, t3.small.search"]["price_usd"] == 0.042
    assert told["Aurora capacity unit"]["idle_usd"] == 0
    clusters = told["Aurora capacity unit"]["used_units"]
    assert told["Aurora capacity unit"]["used_usd"] == pytest.approx(clusters * 0.14 * 160)
    assert ana["idle_usd"] == pytest.approx(sum(each["idle_usd"] for each in ana["charges"]))
    assert not [each for each in aws.calls if each.mutates and each.service != "pricing"]

    aws.forget()
    every, again = cost(whole, "--month")  # all that is there, with the prices that are kept
    assert again == ana
    assert every["unseen"] == ["222222222222", "333333333333"]  # accounts of staging and production
    assert aws.of("GetProducts") == []
    page = whole.run("env", "cost", "dev-ana", "--month")
    assert f"idle ${ana['idle_usd']:.2f}, used ${ana['used_usd']:.2f} a month" in page.out


def test_a_price_that_the_list_does_not_have_is_said_and_in_no_sum(whole: Shop, aws: Proxy) -> None:
    serve(aws, [each for each in PRICES if each[0] != "AmazonES"])  # no price of a zone, either
    _, ana = cost(whole, "dev-ana", "--refresh")
    unknown = {each["what"]: each["unknown"] for each in ana["charges"] if each["price_usd"] is None}
    assert unknown == {
        "search node, t3.small.search": "the price list has no AmazonES ESInstance:t3.small in eu-central-1",
        "search volume, GB of gp3": "the price list has no AmazonES ES:GP3-Storage in eu-central-1",
        "private DNS zone": "the price list has no AmazonRoute53 HostedZone in eu-central-1",
    }
    page = whole.run("env", "cost", "dev-ana")
    assert "at least: idle $" in page.out
    assert "without 3 prices that are unknown" in page.out


def test_what_was_paid_is_asked_after_a_yes_alone(whole: Shop, aws: Proxy) -> None:
    serve_spending(aws, {"dev-ana": "12.5", "": "3"})
    refused = whole.run("env", "cost", "dev-ana", "--actual")
    assert refused.code == 3
    assert "each request costs $0.01" in refused.err
    assert aws.of("GetCostAndUsage") == []
    document, _ = cost(whole, "dev-ana", "--actual", "--yes")
    [paid] = document["actual"]
    assert paid["spent"] == [{"environment": "dev-ana", "usd": 12.5}]
    [every] = cost(whole, "--actual", "--yes")[0]["actual"]
    assert every["spent"] == [{"environment": "", "usd": 3.0}, *paid["spent"]]
    assert (paid["account"], paid["requests"], paid["estimated"]) == (whole.world.account, 2, True)
    first = aws.of(on("GetCostAndUsage"))[0]
    assert first.asked["GroupBy"] == [{"Type": "TAG", "Key": "environment"}]
    assert first.region == "us-east-1"


def test_an_environment_without_stacks_is_estimated_from_an_assembly(
    whole: Shop, aws: Proxy, assemblies: Path
) -> None:
    serve(aws)
    text = (whole.root / "seedbed.toml").read_text()
    (whole.root / "seedbed.toml").write_text(text.replace(whole.world.account, DEV))
    done = whole.run(
        *("env", "cost", "dev-ana", "--json", "--refresh"), "--assembly", str(assemblies / "whole-dev-ana")
    )
    assert done.code == 0, done.everything
    [ana] = json.loads(done.out)["environments"]
    assert (ana["stacks_are"], ana["stacks"], ana["unknown"]) == ("planned", 13, 0)
    assert {each.operation for each in aws.calls} == {"GetProducts"}
