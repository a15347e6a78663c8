"""What an environment comes to, from units and prices."""

from __future__ import annotations

import pytest

from seedbed.model.cost import Inventory, Meter, Metered, Price, PriceTable
from seedbed.planning.costs import DAY, MONTH, estimate

HOUR, MONTHLY = Meter("AmazonVPC", "VpcEndpoint-Hours"), Meter("awskms", "KMS-Keys", "month")
ACU = Meter("AmazonRDS", "Aurora:ServerlessV2Usage", having=(("databaseEngine", "x"),))
TABLE = PriceTable(
    "eu-central-1", {HOUR.id: Price(0.01, "Hrs"), MONTHLY.id: Price(1.0, "Keys"), ACU.id: Price(0.1)}
)


def having(*metered: Metered) -> Inventory:
    return Inventory("dev-ana", "", "eu-central-1", True, 1, 1, metered)


def test_what_is_always_there_costs_the_same_used_or_not() -> None:
    made = estimate(having(Metered("endpoint", HOUR, 5, 5), Metered("key", MONTHLY, 2, 2)), TABLE, MONTH)
    assert made.idle == made.used == pytest.approx(5 * 0.01 * 730 + 2)


def test_a_month_s_price_is_divided_for_a_day() -> None:
    [key] = estimate(having(Metered("key", MONTHLY, 1, 1)), TABLE, DAY).charges
    assert key.idle == pytest.approx(24 / 730)


def test_what_sleeps_costs_in_the_hours_that_are_used() -> None:
    cluster = Metered("cluster", ACU, 0, 1)
    assert estimate(having(cluster), TABLE, DAY).used == pytest.approx(0.8)
    assert estimate(having(cluster), TABLE, MONTH).used == pytest.approx(16)
    assert estimate(having(cluster), TABLE, MONTH).idle == 0
    assert estimate(having(Metered("cluster", ACU, 0.5, 2)), TABLE, DAY).used == pytest.approx(
        0.1 * (8 * 2 + 16 * 0.5)
    )


def test_what_has_no_price_is_in_no_sum_and_counted() -> None:
    other = Meter("AmazonEC2", "NatGateway-Hours")
    several = Price(None, source="the price list has several prices of it: 1, 2")
    table = PriceTable("eu-central-1", {**TABLE.prices, ACU.id: several})
    units = (
        Metered("nat", other, 1, 1),
        Metered("endpoint", HOUR, 1, 1),
        Metered("AWS::X::Y", None, 1, 1),
        Metered("cluster", ACU, 1, 1),
    )
    made = estimate(having(*units), table, DAY)
    assert [(each.metered.what, each.idle, each.why) for each in made.charges] == [
        ("endpoint", pytest.approx(0.24), ""),
        ("AWS::X::Y", None, "seedbed does not know how it is billed"),
        ("cluster", None, several.source),
        ("nat", None, "it is not in the price table of eu-central-1"),
    ]
    assert made.unknown == 3
    assert made.idle == pytest.approx(0.24)


def test_the_most_expensive_comes_first() -> None:
    units = (Metered("key", MONTHLY, 1, 1), Metered("endpoint", HOUR, 5, 5), Metered("cluster", ACU, 0, 1))
    assert [each.metered.what for each in estimate(having(*units), TABLE, DAY).charges] == [
        "endpoint",
        "cluster",
        "key",
    ]


def test_a_price_is_never_given_for_another_engine_or_class() -> None:
    other = Meter(ACU.service, ACU.usage, having=(("databaseEngine", "y"),))
    assert TABLE.price(other) is None
