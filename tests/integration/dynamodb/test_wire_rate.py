"""A budget on a real table: what every second consumed by the server's own count, indexes included."""

from __future__ import annotations

import threading
import time

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.dynamodb.seeds.bulk import load
from seedbed.engines.dynamodb.wire.capacity import CapacityBudget
from seedbed.engines.dynamodb.wire.client import Client

TABLE = "courses-lessons-dev-ana"
UNITS = 240.0  # a second
SECONDS = 8


Use = tuple[float, float, float]  # from when, until when, how many units


class Recorded(CapacityBudget):
    """A budget that remembers when what was consumed: at some time between asking and settling."""

    def __init__(self, units: float) -> None:
        super().__init__(units)
        self.used: list[Use] = []
        self._mine = threading.local()

    def acquire(self, estimate: float) -> None:
        super().acquire(estimate)
        self._mine.since = time.monotonic()

    def settle(self, estimate: float, actual: float) -> None:
        self.used.append((self._mine.since, time.monotonic(), actual))
        super().settle(estimate, actual)


def test_a_load_into_a_table_with_two_indexes_keeps_to_its_budget(dynamodb_local_account: World) -> None:
    names = ("pk", "teacher", "day")
    indexes = [
        {
            "IndexName": f"by_{name}",
            "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
        for name in names[1:]
    ]
    with Client(dynamodb_local_account.cloud) as client:
        client.call(
            "CreateTable",
            {
                "TableName": TABLE,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "GlobalSecondaryIndexes": indexes,
            },
        )
        # Each item is a unit in the table and one in each index; the load expects one.
        items = [
            {
                "pk": f"lesson-{number}",
                "teacher": f"t{number % 9}",
                "day": f"d{number % 5}",
                "text": "x" * 200,
            }
            for number in range(int(UNITS * SECONDS / 3))
        ]
        budget, began = Recorded(UNITS), time.monotonic()
        assert load(client, TABLE, items, workers=4, budget=budget) == len(items)
        took = time.monotonic() - began
    assert budget.consumed == 3 * len(items)
    assert max(_windows(budget.used)) <= 1.2 * UNITS
    assert 0.9 * UNITS <= budget.consumed / took <= UNITS


def _windows(used: list[Use]) -> list[float]:
    """Return what for sure was consumed in each second that begins with a request."""
    return [
        sum(units for since, until, units in used if start <= since and until < start + 1)
        for start, _, _ in used
    ]
