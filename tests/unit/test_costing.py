"""Whose stacks a cost is told from: those that are there, those that the app would make, and the base beside them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from seedbed.aws import price_list
from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import WrongAccount
from seedbed.deployment import prices, templates
from seedbed.errors import Unavailable, UsageError
from seedbed.execution.stopping import Stop
from seedbed.model.cost import Meter, Price
from seedbed.model.deployment import Template
from seedbed.model.environment import Environment
from seedbed.project import Project
from seedbed.project.costing import Costing, CostRequest
from seedbed.testing import reference

MANIFEST = """
[platform]
name = "sample"
[services.shop.memory]
[environments.shared-dev]
account = "111111111111"
region = "eu-central-1"
base = true
[environments."dev-*"]
account = "111111111111"
region = "eu-central-1"
ephemeral = true
base = "shared-dev"
[environments.staging]
account = "222222222222"
region = "eu-west-1"
[environments.nowhere]
"""
SECRET: Template = {"Resources": {"Secret": {"Type": "AWS::SecretsManager::Secret"}}}
Deployed = Callable[[Cloud], dict[str, list[Template]]]


@pytest.fixture
def costing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Deployed], tuple[Costing, list[str]]]:
    """A function (what is deployed where) -> the platform's costing, and whose stacks the app was asked for."""
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path / "cache"))
    (tmp_path / "seedbed.toml").write_text(MANIFEST, encoding="utf-8")

    def make(deployed: Deployed) -> tuple[Costing, list[str]]:
        asked: list[str] = []

        def there(cloud: Cloud, _: str, names: Collection[str] | None = None) -> dict[str, list[Template]]:
            found = deployed(cloud)
            return {name: each for name, each in found.items() if names is None or name in names}

        def planned(_: Path, __: str, environment: Environment, *___: Any, **____: Any) -> list[Template]:
            asked.append(environment.name)
            return [SECRET, SECRET]

        monkeypatch.setattr(templates, "deployed", there)
        monkeypatch.setattr(templates, "planned", planned)
        with reference.installed():
            project = Project.open(tmp_path, environ={})
        return Costing(project.catalog, project.targets, Stop(), lambda _: None), asked

    return make


def _in(account: str, **found: int) -> Deployed:
    """Return what is deployed in an account: so many stacks of each environment; others the credentials are not of."""

    def deployed(cloud: Cloud) -> dict[str, list[Template]]:
        if cloud.account != account:
            raise WrongAccount(f"the credentials belong to account {account}")
        return {name.replace("_", "-"): [SECRET] * number for name, number in found.items()}

    return deployed


def test_an_environment_that_is_there_is_told_from_its_stacks_and_its_base_beside_it(costing: Any) -> None:
    made, asked = costing(_in("111111111111", dev_ana=2, dev_ben=1, shared_dev=3))
    found = made.inventories(CostRequest("dev-ana"))
    assert [(each.environment, each.base, each.stacks, each.is_deployed) for each in found.found] == [
        ("dev-ana", "shared-dev", 2, True),
        ("shared-dev", "", 3, True),
    ]
    assert asked == []


def test_one_that_is_not_there_is_told_from_the_app(costing: Any) -> None:
    made, asked = costing(_in("111111111111", shared_dev=3))
    found = made.inventories(CostRequest("dev-ana")).found
    assert [(each.environment, each.is_deployed) for each in found] == [
        ("dev-ana", False),
        ("shared-dev", True),
    ]
    assert asked == ["dev-ana"]


def test_planned_asks_no_account_what_is_there(costing: Any) -> None:
    made, asked = costing(_in("nobody's"))
    found = made.inventories(CostRequest("staging", is_planned=True)).found
    assert [(each.environment, each.region, each.is_deployed) for each in found] == [
        ("staging", "eu-west-1", False)
    ]
    assert asked == ["staging"]


def test_without_a_name_all_is_told_that_these_credentials_show(costing: Any) -> None:
    made, asked = costing(_in("111111111111", dev_ana=1, shared_dev=1, old=1))
    found = made.inventories(CostRequest())
    # What no pattern of the manifest declares any more is there all the same.
    assert [(each.environment, each.base) for each in found.found] == [
        ("dev-ana", "shared-dev"),
        ("old", ""),
        ("shared-dev", ""),
    ]
    assert (found.unseen, found.errors, asked) == (("222222222222",), (), [])


def test_an_account_that_does_not_answer_is_an_error_beside_the_others(costing: Any) -> None:
    def deployed(cloud: Cloud) -> dict[str, list[Template]]:
        if cloud.region == "eu-west-1":
            raise Unavailable("AWS does not answer")
        return {"dev-ana": [SECRET]}

    found = costing(deployed)[0].inventories(CostRequest())
    assert [each.environment for each in found.found] == ["dev-ana"]
    assert [each.what for each in found.errors] == ["AWS does not answer"]


def test_credentials_of_no_declared_account_are_refused(costing: Any) -> None:
    with pytest.raises(WrongAccount):
        costing(_in("999999999999"))[0].inventories(CostRequest())
    with pytest.raises(WrongAccount):
        costing(_in("999999999999"))[0].inventories(CostRequest("dev-ana"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sandbox", "the sandbox costs nothing"),
        ("nowhere", "nowhere has no region"),
        ("prod", "there is no environment prod"),
    ],
)
def test_what_is_nowhere_in_aws_has_no_cost(costing: Any, name: str, said: str) -> None:
    with pytest.raises(UsageError) as found:
        costing(_in("111111111111"))[0].inventories(CostRequest(name))
    assert said in str(found.value)


def test_prices_are_asked_once_for_each_kind_and_region(
    costing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = costing(_in("111111111111", dev_ana=2, shared_dev=1))
    asked: list[tuple[str, str]] = []

    def price(cloud: Cloud, meter: Meter, *, date: str) -> Price:
        asked.append((cloud.region, meter.id))
        return Price(0.4, "Secrets", "SKU", date, "here")

    monkeypatch.setattr(price_list, "price", price)
    found = made.inventories(CostRequest("dev-ana")).found
    made.refresh(found, date(2026, 11, 30))
    assert asked == [("eu-central-1", "AWSSecretsManager AWSSecretsManager-Secrets")]
    assert prices.read("eu-central-1").prices[asked[0][1]].date == "2026-11-30"
