"""When something was more than nothing, as CloudWatch tells: minutes late, and no value where there was none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from seedbed.aws.asking import ask
from seedbed.errors import SeedbedError

if TYPE_CHECKING:
    from seedbed.aws.cloud import Cloud

SERVICE = "cloudwatch"
_METRICS = 100  # of one call, which takes 500: an answer has at most 100 800 values
_TRIES = 2  # a network without a way to CloudWatch is known soon
_AHEAD = 900.0  # seconds beyond our own clock that are asked for: AWS's may be ahead


class Metric(Struct, frozen=True):
    """One metric; `dimensions`: names and values."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


class Told(Struct, frozen=True):
    """What CloudWatch told `at` a time of its own: of each metric the periods with more than 0, by their beginnings.

    `untold`: why it did not tell all of some of them.
    """

    at: float
    periods: Mapping[Metric, tuple[float, ...]]
    untold: Mapping[Metric, str]


def told(cloud: Cloud, metrics: Sequence[Metric], *, span: float, period: int) -> Told:
    """Return what is told of the last `span` seconds, by sums over `period` seconds. Raises what `seedbed.aws` does."""
    periods: dict[Metric, set[float]] = {each: set() for each in metrics}
    untold: dict[Metric, str] = {}
    at = 0.0
    for first in range(0, len(metrics), _METRICS):
        some = {f"m{number}": each for number, each in enumerate(metrics[first : first + _METRICS])}
        for answer in _answers(cloud, some, span, period):
            at = at or _date(answer)
            for each in answer.get("MetricDataResults", ()):
                metric = some[each["Id"]]
                values = zip(each.get("Timestamps", ()), each.get("Values", ()), strict=False)
                periods[metric] |= {when.timestamp() for when, value in values if value > 0}
                untold |= _lack(metric, each)
                if each.get("StatusCode") == "Complete":
                    untold.pop(metric, None)
    return Told(at or time.time(), {key: tuple(sorted(each)) for key, each in periods.items()}, untold)


def _lack(metric: Metric, result: Mapping[str, Any]) -> dict[Metric, str]:
    if result.get("StatusCode", "Complete") == "Complete":
        return {}
    said = "; ".join(str(each.get("Value", "")) for each in result.get("Messages", ()))
    return {metric: said or str(result["StatusCode"])}


def _answers(
    cloud: Cloud, metrics: Mapping[str, Metric], span: float, period: int
) -> Iterator[Mapping[str, Any]]:
    now = time.time()
    asked: dict[str, Any] = {
        "StartTime": datetime.fromtimestamp((now - span) // period * period, UTC),
        "EndTime": datetime.fromtimestamp(now + _AHEAD, UTC),
        "ScanBy": "TimestampDescending",
        "MetricDataQueries": [
            {
                "Id": id_,
                "MetricStat": {
                    "Metric": {
                        "Namespace": each.namespace,
                        "MetricName": each.name,
                        "Dimensions": [{"Name": name, "Value": value} for name, value in each.dimensions],
                    },
                    "Period": period,
                    "Stat": "Sum",
                },
            }
            for id_, each in metrics.items()
        ],
    }
    while True:
        answer = ask(cloud, SERVICE, "GetMetricData", named=_named, attempts=_TRIES, **asked)
        yield answer
        if not answer.get("NextToken"):
            return
        asked["NextToken"] = answer["NextToken"]


def _date(answer: Mapping[str, Any]) -> float:
    """Return what time it is at AWS."""
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(said).timestamp()
    except (TypeError, ValueError):
        return time.time()


def _named(_code: str, _said: str) -> SeedbedError | None:
    return None
