"""CloudWatch for the tables behind a proxy, as AWS documents it: late, in pages, and without a word about nothing.

What DynamoDB is asked to read through the proxy is consumed then. A value is told `late` seconds after its minute; of
periods without any there is none, and of tables or indexes that are not there neither.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from typing import Any

from tests.support.aws_proxy import Call, Proxy
from tests.support.aws_proxy.http import Response

_READS = {"GetItem", "Query", "Scan"}
_UNITS = 0.5  # of an answer without items, too
_KEPT = 63 * 24 * 3600.0  # seconds for which there are sums over five minutes
Dimensions = tuple[tuple[str, str], ...]


class CloudWatch:
    """See above. `page`: how many values an answer has at most; `partial`: how many answers say that they are not all."""

    def __init__(self, aws: Proxy, *, late: float = 120.0, page: int = 100_800) -> None:
        self.late, self.page = late, page
        self.partial = 0
        self._ahead = -7200.0  # room for time to pass: it never is later than here
        self._reads: list[tuple[Dimensions, float]] = []
        aws.rewrite(lambda call: call.service == "dynamodb" and call.operation in _READS, self._read)
        aws.serve(lambda call: call.operation == "GetMetricData", self._told)

    def now(self) -> float:
        return time.time() + self._ahead

    def later(self, seconds: float) -> None:
        """Let time pass at AWS."""
        self._ahead += seconds

    def _read(self, call: Call, answer: Response) -> Response:
        if answer.status == 200:
            asked = call.asked
            index = asked.get("IndexName")
            of_index = (("GlobalSecondaryIndexName", str(index)),) if index else ()
            self._reads.append(((*of_index, ("TableName", str(asked["TableName"]))), self.now()))
        return answer

    def _told(self, call: Call) -> Response:
        asked = call.asked
        assert asked["EndTime"] > asked["StartTime"]
        values = [
            (each["Id"], *value) for each in asked["MetricDataQueries"] for value in self._values(asked, each)
        ]
        first = int(asked.get("NextToken", "0"))
        some = values[first : first + self.page]
        more = {"NextToken": str(first + self.page)} if first + self.page < len(values) else {}
        is_partial = bool(more)
        if self.partial:
            self.partial -= 1
            is_partial = True
        results = [
            {
                "Id": each["Id"],
                "Label": each["MetricStat"]["Metric"]["MetricName"],
                "Timestamps": [at for id_, at, _ in some if id_ == each["Id"]],
                "Values": [units for id_, _, units in some if id_ == each["Id"]],
                "StatusCode": "PartialData" if is_partial else "Complete",
            }
            for each in asked["MetricDataQueries"]
        ]
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "date": formatdate(self.now(), usegmt=True),
        }
        answer = {"MetricDataResults": results, "Messages": [], **more}
        return Response(200, headers, json.dumps(answer).encode())

    def _values(self, asked: Mapping[str, Any], query: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
        """Yield the periods of one metric with their sums, the newest first."""
        about = query["MetricStat"]
        metric, period = about["Metric"], int(about["Period"])
        assert (metric["Namespace"], metric["MetricName"], about["Stat"]) == (
            "AWS/DynamoDB",
            "ConsumedReadCapacityUnits",
            "Sum",
        )
        assert period % 300 == 0, "sums over less are not kept for as long as is asked for"
        dimensions = tuple(sorted((each["Name"], each["Value"]) for each in metric["Dimensions"]))
        sums: dict[float, float] = {}
        begins = max(asked["StartTime"], self.now() - _KEPT)
        for of, at in self._reads:
            is_told = at // 60 * 60 + 60 + self.late <= self.now()
            start = at // period * period
            if of == dimensions and is_told and begins <= start < asked["EndTime"]:
                sums[start] = sums.get(start, 0.0) + _UNITS
        yield from sorted(sums.items(), reverse=True)
