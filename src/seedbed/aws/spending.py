"""What was really paid, as Cost Explorer says it; every request of it costs money itself."""

from __future__ import annotations

from datetime import date
from typing import Any

from msgspec.structs import replace

from seedbed.aws.asking import ask
from seedbed.aws.cloud import Cloud
from seedbed.errors import Refused, SeedbedError
from seedbed.model.cost import Spending, Spent

# USD a request, each page being one: https://aws.amazon.com/aws-cost-management/aws-cost-explorer/faqs
REQUEST_USD = 0.01
_PLACE = "us-east-1"  # it has no other
_MOST = 20  # pages: $0.20


def spending(cloud: Cloud, platform: str, since: date, until: date) -> Spending:
    """Return what was paid from `since` to the day before `until` for what has the tags of `platform`, by environment.

    Raises Refused where Cost Explorer is not enabled, and what AWS raises.
    """
    asked: dict[str, Any] = {
        "TimePeriod": {"Start": since.isoformat(), "End": until.isoformat()},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
        "Filter": {"Tags": {"Key": "platform", "Values": [platform]}},
        "GroupBy": [{"Type": "TAG", "Key": "environment"}],
    }
    sums: dict[str, float] = {}
    requests, is_estimated = 0, False
    while requests < _MOST:
        answer = ask(replace(cloud, region=_PLACE), "ce", "GetCostAndUsage", named=_named, **asked)
        requests += 1
        for result in answer.get("ResultsByTime", ()):
            is_estimated = is_estimated or bool(result.get("Estimated"))
            for group in result.get("Groups", ()):
                name = str(group["Keys"][0]).partition("$")[2]
                amount = float(group["Metrics"]["UnblendedCost"]["Amount"])
                sums[name] = sums.get(name, 0.0) + amount
        if not answer.get("NextPageToken"):
            break
        asked["NextPageToken"] = answer["NextPageToken"]
    spent = tuple(Spent(name, amount) for name, amount in sorted(sums.items()))
    return Spending(since.isoformat(), until.isoformat(), spent, requests, is_estimated)


def _named(code: str, said: str) -> SeedbedError | None:
    if code == "DataUnavailableException" or "not enabled for cost explorer" in said.lower():
        return Refused(
            "Cost Explorer has no data",
            because=f"{code}: {said}",
            try_="enable Cost Explorer in the Billing console; its first data take a day",
        )
    return None
