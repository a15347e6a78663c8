"""The table that a transformation works on: every call within its budget of capacity, and settled with what it took."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import uuid4

from seedbed.engines.dynamodb.running.transform.costs import read_units
from seedbed.engines.dynamodb.running.transform.values import Item
from seedbed.engines.dynamodb.wire.capacity import CapacityBudget
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.wire.retrying import Policy, retrying

T = TypeVar("T")
Answer = Mapping[str, Any]

_PAGE = 1024 * 1024  # bytes that a scan looks at in one call, at most
# Calls that end throttled after all their retries, until we give up; the budget decides when the next one goes.
_PATIENCE = Policy(
    attempts=21, base=0.0, when=lambda error: isinstance(error, ServiceError) and error.is_throttle
)
_LEARN = 0.2  # how much the newest page weighs in what the next one is expected to take


class ScanPage:
    """What one call of a scan found. `last`: where the next one goes on, None at the end."""

    __slots__ = ("items", "last", "scanned")

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.items: list[Item] = answer["Items"]
        self.scanned: int = answer["ScannedCount"]
        self.last: Mapping[str, Any] | None = answer.get("LastEvaluatedKey")


class MeteredTable:
    """Reads and writes one table within two budgets. Thread-safe.

    `check` is asked right before every write whether we still may, and raises where we may not. `spent` is told what
    each read took, and may raise too. `item_size`: bytes
    of an average item, as far as anyone knows before the first page.
    """

    def __init__(
        self,
        client: Client,
        table: str,
        *,
        reads: CapacityBudget,
        writes: CapacityBudget,
        check: Callable[[], None],
        spent: Callable[[float], None] = lambda _: None,
        item_size: float = 0.0,
    ) -> None:
        self._client = client
        self.sleep = client.sleep
        self.table = table
        self.reads = reads
        self.writes = writes
        self._check = check
        self._spent = spent
        self._item_size = item_size or 1024.0
        self._lock = threading.Lock()

    def scan(
        self,
        segment: int,
        segments: int,
        *,
        start: Mapping[str, Any] | None,
        limit: int,
        only: Mapping[str, Any] | None = None,
    ) -> ScanPage:
        """Return the page of `segment` after the key `start`: at most `limit` items are looked at."""
        limit = self._affordable(limit)
        body: dict[str, Any] = {
            "TableName": self.table,
            "Limit": limit,
            "ConsistentRead": True,
            "ReturnConsumedCapacity": "INDEXES",
            **(only or {}),
        }
        if segments > 1:
            body |= {"Segment": segment, "TotalSegments": segments}
        if start is not None:
            body["ExclusiveStartKey"] = start
        expected = read_units(min(limit * self._item_size, _PAGE))
        answer = self.read("Scan", body, expected)
        page = ScanPage(answer)
        if page.scanned:
            self._learn(consumed(answer) * 4096 / page.scanned)
        return page

    def get(self, key: Item) -> Item | None:
        """Return the item as it is now, None where there is none."""
        body = {
            "TableName": self.table,
            "Key": key,
            "ConsistentRead": True,
            "ReturnConsumedCapacity": "INDEXES",
        }
        found: Item | None = self.read("GetItem", body, read_units(self._item_size)).get("Item")
        return found

    def write(self, action: Mapping[str, Any], units: float) -> None:
        """Carry out one update or deletion; sent again where its answer was lost, which its condition makes safe."""
        ((kind, body),) = action.items()
        self._write(f"{kind}Item", body, units)

    def transact(self, actions: Sequence[Mapping[str, Any]], units: float) -> None:
        """Carry out all of `actions` or none."""
        body = {"TransactItems": list(actions), "ClientRequestToken": uuid4().hex}
        self._write("TransactWriteItems", body, units)

    def spend(self, units: float, call: Callable[[], Answer | None]) -> None:
        """Make a `call` that writes, in a transaction that others send; it may return what the server answered."""
        patiently(self.writes, lambda: self._spend_once(units, call))

    def _spend_once(self, units: float, call: Callable[[], Answer | None]) -> None:
        self.writes.acquire(units)
        taken = 0.0
        try:
            self._check()
            # Servers that only look like DynamoDB count a transaction for less than it takes there.
            taken = max(consumed(call() or {}, of=self.table), units)
        except ServiceError as error:
            taken = units if error.is_condition else 0.0
            raise
        finally:
            self.writes.settle(units, taken)

    def read(self, operation: str, body: Mapping[str, Any], units: float) -> dict[str, Any]:
        """Return the answer to a reading call that is expected to take `units`, and that says what it took."""
        return patiently(self.reads, lambda: self._read_once(operation, body, units))

    def _read_once(self, operation: str, body: Mapping[str, Any], units: float) -> dict[str, Any]:
        self.reads.acquire(units)
        taken = 0.0
        try:
            answer = self._client.call(operation, body, on_throttle=self.reads.throttled)
            taken = consumed(answer)
        finally:
            self.reads.settle(units, taken)
        self._spent(taken)
        return answer

    def _write(self, operation: str, body: Mapping[str, Any], units: float) -> None:
        patiently(self.writes, lambda: self._write_once(operation, body, units))

    def _write_once(self, operation: str, body: Mapping[str, Any], units: float) -> None:
        self.writes.acquire(units)
        taken = 0.0
        try:
            self._check()
            metered = {**body, "ReturnConsumedCapacity": "INDEXES"}
            taken = consumed(self._client.call(operation, metered, on_throttle=self.writes.throttled))
        except ServiceError as error:
            taken = (
                units if error.is_condition else 0.0
            )  # DynamoDB does not report what a failed condition took
            raise
        finally:
            self.writes.settle(units, taken)

    def _affordable(self, limit: int) -> int:
        """Return how many items a page may look at so that it is no lump in the flow of reads."""
        units = self.reads.largest
        return limit if math.isinf(units) else max(1, min(limit, int(units * 4096 / self._item_size)))

    def _learn(self, size: float) -> None:
        with self._lock:
            self._item_size += _LEARN * (max(size, 1.0) - self._item_size)


def patiently(budget: CapacityBudget, call: Callable[[], T]) -> T:
    """Return what `call` returns; one that is throttled in spite of its retries is made again, more slowly."""
    for attempt in retrying(_PATIENCE):
        try:
            return call()
        except ServiceError as error:
            attempt.failed(error)
            budget.throttled()
    raise AssertionError("attempts end by an answer or an error")


def consumed(answer: Answer, of: str = "") -> float:
    """Return the capacity units that a call took, of all tables or one, its indexes included."""
    reported = answer.get("ConsumedCapacity") or []
    each_table: Iterable[Mapping[str, Any]] = reported if isinstance(reported, list) else [reported]
    return float(
        sum(each.get("CapacityUnits", 0.0) for each in each_table if of in {"", each.get("TableName")})
    )
