"""A volume load on a server that throttles, takes batches in part and fails: nothing is lost, nothing is doubled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from seedbed.engines.dynamodb.seeds import bulk
from seedbed.engines.dynamodb.seeds.bulk import load
from seedbed.engines.dynamodb.wire.capacity import CapacityBudget
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.engines.dynamodb.wire.values import InvalidValue, from_item
from seedbed.errors import Interrupted, StepFailed
from tests.support.dynamodb.scripted import HANG_UP, Request, answer, refusal, scripted

TABLE = "chat-messages-dev-ana"
Item = dict[str, Any]


def numbered(count: int) -> list[Item]:
    return [{"pk": f"k{number}", "number": number} for number in range(count)]


@pytest.fixture(autouse=True)
def _all_workers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_ALONE", 0)


class Store:
    """A table that takes what a test lets it take."""

    def __init__(self, choose: Callable[[Request, list[Item]], bytes | set[int]] | None = None) -> None:
        self.items: dict[str, Item] = {}
        self.sizes: list[int] = []
        self.bytes: list[int] = []
        self._choose = choose or (lambda _request, _puts: set())

    def __call__(self, request: Request) -> bytes:
        puts = request.body["RequestItems"][TABLE]
        found = [from_item(each["PutRequest"]["Item"]) for each in puts]
        chosen = self._choose(request, found)
        if isinstance(chosen, bytes):
            return chosen
        keys = [each["pk"] for each in found]
        assert len(keys) <= 25
        assert len(set(keys)) == len(keys)
        self.sizes.append(len(keys))
        self.bytes.append(int(request.headers["content-length"]))
        for at, each in enumerate(found):
            if at not in chosen:
                self.items[each["pk"]] = each
        left = [puts[at] for at in sorted(chosen)]
        units = {"TableName": TABLE, "CapacityUnits": float(len(puts) - len(left))}
        return answer({"UnprocessedItems": {TABLE: left} if left else {}, "ConsumedCapacity": [units]})


@pytest.mark.parametrize("workers", [1, 4])
def test_all_items_arrive_in_full_batches_and_are_counted(workers: int) -> None:
    store, told = Store(), list[int]()
    with scripted(store) as server, server.client() as client:
        count = load(
            client, TABLE, iter(numbered(1003)), key=["pk"], workers=workers, on_progress=told.append
        )
    assert count == sum(told) == 1003
    assert sorted(store.items.values(), key=lambda each: each["number"]) == numbered(1003)
    assert len(store.sizes) <= 1003 / 25 + workers + 1


class Taking:
    """A client whose server takes every batch, and its own clock: a request takes `seconds` on it, an item one."""

    def __init__(self, seconds: float) -> None:
        self.senders: set[str] = set()
        self.puts = 0
        self._now = 0.0
        self._seconds = seconds

    def post(self, _operation: str, body: bytes, decode: Callable[[bytes], Any], **_: Any) -> Any:
        self._now += self._seconds
        self.senders.add(threading.current_thread().name)
        self.puts += body.count(b"PutRequest")
        return decode(b"{}")

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nobody has to wait {seconds} seconds")

    def made(self, items: list[Item]) -> Iterator[Item]:
        for each in items:
            self._now += 1
            yield each

    def perf_counter(self) -> float:
        return self._now

    def thread_time(self) -> float:
        return 0.0


@pytest.mark.parametrize(
    ("seconds", "senders"), [(20.0, {"MainThread"}), (30.0, {"MainThread", "bulk-0", "bulk-1", "bulk-2"})]
)
def test_further_workers_start_when_the_server_is_waited_for_most_of_the_time(
    monkeypatch: pytest.MonkeyPatch, seconds: float, senders: set[str]
) -> None:
    client: Any = Taking(seconds)
    monkeypatch.setattr(bulk, "time", client)
    monkeypatch.setattr(bulk, "_ALONE", 50)
    assert load(client, TABLE, client.made(numbered(1000)), key=["pk"], workers=3) == client.puts == 1000
    assert client.senders == senders


@pytest.mark.parametrize("workers", [1, 3])
def test_what_was_left_unprocessed_is_sent_until_it_is_taken(workers: int) -> None:
    rng, lock = Random(1), threading.Lock()

    def choose(request: Request, puts: list[Item]) -> bytes | set[int]:
        with lock:
            dice = rng.random()
            if dice < 0.1:
                return refusal("ThrottlingException")
            if dice < 0.15:
                return refusal("InternalServerError", status=500)
            if dice < 0.2:
                return HANG_UP
            return {at for at in range(len(puts)) if rng.random() < 0.3}

    store, told = Store(choose), list[int]()
    with scripted(store) as server, server.client(max_attempts=50) as client:
        budget = CapacityBudget(0, sleep=lambda _: None, clock=ticking())
        count = load(
            client, TABLE, numbered(400), key=["pk"], workers=workers, budget=budget, on_progress=told.append
        )
    assert count == sum(told) == 400
    assert sorted(store.items.values(), key=lambda each: each["number"]) == numbered(400)


@pytest.mark.parametrize("workers", [1, 4])
def test_of_two_items_with_the_same_key_the_later_one_stays_whatever_was_left_undone(workers: int) -> None:
    rng, lock = Random(2), threading.Lock()

    def choose(_: Request, puts: list[Item]) -> bytes | set[int]:
        with lock:
            return {at for at in range(len(puts)) if rng.random() < 0.4}

    items = [{"pk": f"k{number % 37}", "number": number} for number in range(500)]
    store, told = Store(choose), list[int]()
    with scripted(store) as server, server.client() as client:
        budget = CapacityBudget(0, sleep=lambda _: None, clock=ticking())
        count = load(
            client, TABLE, items, key=["pk"], workers=workers, budget=budget, on_progress=told.append
        )
    assert count == sum(told) == 500
    assert {each["pk"]: each["number"] for each in store.items.values()} == {
        each["pk"]: each["number"] for each in items
    }


def test_a_request_never_carries_more_than_dynamodb_takes() -> None:
    store = Store()
    items = [{"pk": f"k{number}", "text": "x" * 390_000, "number": number} for number in range(90)]
    text = {"pk": "long", "text": "ä\n" * 68_000, "number": 0}  # three bytes each there, four on the wire
    with scripted(store) as server, server.client() as client:
        load(client, TABLE, [*items, text], key=["pk"])
    assert len(store.items) == 91
    assert max(store.bytes) < 16 << 20


def test_an_item_over_400_kb_is_refused_by_name_before_it_is_sent() -> None:
    store = Store()
    refused = pytest.raises(InvalidValue, match=r"the item pk = 'big' has 410\D?6\d\d bytes")
    with scripted(store) as server, server.client() as client, refused:
        load(client, TABLE, [{"pk": "big", "text": "x" * (401 * 1024)}], key=["pk"])
    assert not store.sizes


def test_small_budgets_make_small_requests() -> None:
    store = Store()
    with scripted(store) as server, server.client() as client:
        budget = CapacityBudget(100, sleep=lambda _: None, clock=ticking())
        load(client, TABLE, numbered(60), key=["pk"], budget=budget)
    assert budget.consumed == 60
    assert max(store.sizes) <= 10


def ticking() -> Callable[[], float]:
    """Return a clock on which ten milliseconds pass between two looks."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.01
        return now

    return clock


def test_a_table_that_takes_nothing_more_ends_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedbed.engines.dynamodb.seeds.bulk.CAP", 0.001)
    store = Store(lambda _, puts: set(range(len(puts))))
    refused = pytest.raises(StepFailed, match="takes no more items")
    with scripted(store) as server, server.client() as client, refused:
        load(
            client,
            TABLE,
            numbered(3),
            key=["pk"],
            budget=CapacityBudget(0, sleep=lambda _: None, clock=ticking()),
        )
    assert store.items == {}


@pytest.mark.parametrize("workers", [1, 3])
def test_what_the_table_refuses_ends_the_load_with_its_words(workers: int) -> None:
    store = Store(lambda _request, _puts: refusal("ValidationException", "Type mismatch for key pk"))
    refused = pytest.raises(StepFailed, match="Type mismatch for key pk")
    with scripted(store) as server, server.client() as client, refused:
        load(client, TABLE, endless(), key=["pk"], workers=workers)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_missing_table_is_said_as_it_is(workers: int) -> None:
    store = Store(lambda _request, _puts: refusal("ResourceNotFoundException"))
    with scripted(store) as server, server.client() as client:
        with pytest.raises(ServiceError) as raised:
            load(client, TABLE, endless(), key=["pk"], workers=workers)
        assert raised.value.code == "ResourceNotFoundException"


@pytest.mark.parametrize("workers", [1, 3])
def test_an_item_that_does_not_fit_ends_the_load(workers: int) -> None:
    items = [*numbered(300), {"pk": "x", "price": 1.5}]
    with scripted(Store()) as server, server.client() as client:
        with pytest.raises(InvalidValue, match="price is a float"):
            load(client, TABLE, items, key=["pk"], workers=workers)
        with pytest.raises(InvalidValue, match=f"an item of {TABLE} has no pk"):
            load(client, TABLE, [{"number": 1}], key=["pk"], workers=workers)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_of_whoever_makes_the_items_is_raised(workers: int) -> None:
    def items() -> Iterator[Item]:
        yield from numbered(500)
        raise LookupError("no more")

    with scripted(Store()) as server, server.client() as client, pytest.raises(LookupError):
        load(client, TABLE, items(), key=["pk"], workers=workers)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_interrupt_ends_the_load(workers: int) -> None:
    def choose(request: Request, _: list[Item]) -> bytes | set[int]:
        if request.number == 20:
            client.interrupt()
        return set()

    with scripted(Store(choose)) as server, server.client() as client, pytest.raises(Interrupted):
        load(client, TABLE, endless(), key=["pk"], workers=workers)


def endless() -> Iterator[Item]:
    number = 0
    while True:
        yield {"pk": f"k{number}", "number": number}
        number += 1


@pytest.mark.parametrize("workers", [1, 3])
def test_a_load_that_may_not_go_on_sends_nothing_more(workers: int) -> None:
    asked: list[int] = []

    def before() -> None:
        asked.append(1)
        if len(asked) > 5:
            raise LookupError("the lease is lost")

    with scripted(Store()) as server, server.client() as client:
        with pytest.raises(LookupError):
            load(client, TABLE, endless(), key=["pk"], workers=workers, before=before)
        assert len(server.requests) == 5


def test_throttled_batches_slow_the_budget_down() -> None:
    def choose(request: Request, _: list[Item]) -> bytes | set[int]:
        return refusal("ThrottlingException") if request.number == 2 else set()

    with scripted(Store(choose)) as server, server.client() as client:
        budget = CapacityBudget(10_000)
        load(client, TABLE, numbered(50), key=["pk"], budget=budget)
        assert budget.rate < 9_600
