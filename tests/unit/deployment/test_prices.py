"""The price table of a region, as it is kept on a machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seedbed.aws import price_list
from seedbed.aws.cloud import Cloud
from seedbed.deployment import prices
from seedbed.errors import Unavailable, UsageError
from seedbed.model.cost import Meter, Price, PriceTable

ENDPOINT, KEY = Meter("AmazonVPC", "VpcEndpoint-Hours"), Meter("awskms", "KMS-Keys", "month")
CLOUD = Cloud("eu-central-1")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path))
    return tmp_path


def answering(monkeypatch: pytest.MonkeyPatch, **usd: float | None) -> None:
    """Let the price list say what a unit of a service costs, None: that it does not know."""

    def price(_: Cloud, meter: Meter, *, date: str) -> Price:
        return Price(usd[meter.service], "Hrs", "SKU", date, "why")

    monkeypatch.setattr(price_list, "price", price)


def refresh(meters: set[Meter], date: str) -> PriceTable:
    return prices.refreshed(CLOUD, meters, prices.read("eu-central-1"), date=date, tell=lambda _: None)


def test_there_is_no_price_before_somebody_asked() -> None:
    assert prices.read("eu-central-1") == PriceTable("eu-central-1")


def test_what_was_asked_is_kept_with_its_day(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    answering(monkeypatch, AmazonVPC=0.012, awskms=1.0)
    made = refresh({ENDPOINT}, "2026-11-01")
    assert prices.read("eu-central-1") == made
    made = refresh({KEY}, "2026-11-30")
    assert {name: (each.usd, each.date) for name, each in made.prices.items()} == {
        "AmazonVPC VpcEndpoint-Hours": (0.012, "2026-11-01"),
        "awskms KMS-Keys": (1.0, "2026-11-30"),
    }
    file = json.loads((cache / "prices" / "eu-central-1.json").read_text())
    assert (file["region"], file["date"]) == ("eu-central-1", "2026-11-30")
    assert file["prices"][0] == {
        "meter": "AmazonVPC VpcEndpoint-Hours",
        "price": {"usd": 0.012, "unit": "Hrs", "sku": "SKU", "date": "2026-11-01", "source": "why"},
    }
    assert [each.name for each in (cache / "prices").iterdir()] == ["eu-central-1.json"]


def test_an_old_price_does_not_stay_where_the_list_knows_none_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, AmazonVPC=0.012)
    refresh({ENDPOINT}, "2026-11-01")
    answering(monkeypatch, AmazonVPC=None)
    refresh({ENDPOINT}, "2026-11-30")
    assert prices.read("eu-central-1").price(ENDPOINT) is None


def test_what_fails_leaves_the_table_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, AmazonVPC=0.012)
    made = refresh({ENDPOINT}, "2026-11-01")

    def fails(_: Cloud, meter: Meter, *, date: str) -> Price:
        raise Unavailable("no")

    monkeypatch.setattr(price_list, "price", fails)
    with pytest.raises(Unavailable):
        refresh({ENDPOINT, KEY}, "2026-11-30")
    assert prices.read("eu-central-1") == made


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"region": "x", "date": "", "prices": [{"meter": "x", "price": {"usd": "1"}}]}']
)
def test_a_table_that_cannot_be_read_is_named(cache: Path, text: str) -> None:
    (cache / "prices").mkdir()
    file = cache / "prices" / "eu-central-1.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"eu-central-1\.json cannot be read") as found:
        prices.read("eu-central-1")
    assert "--refresh" in str(found.value.try_)
