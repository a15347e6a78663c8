"""Volume: items by BatchWriteItem, encoded once and cheaply, resent until the table has every one of them.

Items are dealt out to workers by their keys, so that two versions of an item never race: the one that comes later
in `items` is the one that stays.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct, field

from seedbed.engines.dynamodb.wire.capacity import CapacityBudget
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import VALIDATION, ServiceError
from seedbed.engines.dynamodb.wire.sizes import LARGEST_ITEM, item_size
from seedbed.engines.dynamodb.wire.values import InvalidValue, from_attribute, to_item
from seedbed.errors import Interrupted, StepFailed
from seedbed.support.phrases import number
from seedbed.wire.retrying import Policy, retrying

BATCH = 25  # puts in a request
LARGEST_BATCH = 15 << 20  # bytes; DynamoDB takes 16 MB
UNIT = 1024  # bytes that one write unit carries
BASE, CAP = 0.05, 5.0  # seconds; how long to wait before what was left unprocessed is resent
PATIENCE = 40  # requests in a row of which nothing was taken; with the waits between them, some minutes
_ALONE = 400  # items that one worker sends before it looks whether further ones would help
_WAITING = 0.5  # of its time spent waiting for the server: from there on they do
_DEAL = 100  # items handed to a worker at once
_QUEUED = 4  # such hands that wait for one worker

OnProgress = Callable[[int], None]
Values = Mapping[str, Any]


class _Unprocessed(Struct):
    """What one request of a put left undone."""

    PutRequest: dict[str, Any]


class _Units(Struct):
    CapacityUnits: float = 0.0


class _Answer(Struct):
    UnprocessedItems: dict[str, list[_Unprocessed]] = field(default_factory=dict)
    ConsumedCapacity: list[_Units] = field(default_factory=list)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Answer).decode


def load(
    client: Client,
    table: str,
    items: Iterable[Values],
    *,
    key: Sequence[str] = (),
    workers: int = 1,
    budget: CapacityBudget | None = None,
    on_progress: OnProgress | None = None,
    before: Callable[[], None] | None = None,
) -> int:
    """Put `items` (name -> Python value, as `wire.values` takes them) into the physical `table`; return how many.

    Every one of them is in the table afterwards, unless a later one has the same key. `key`: the names of the key's
    attributes; read from the server where they are not given. `workers`: how many threads send at most; one does until
    it waits for the server most of the time. `on_progress` gets the number of further items accepted, from any thread,
    and also of those that a later one replaced before they were sent. `before` is called before every
    request, also one that is sent again, and may raise to end the load (a lease that was lost).
    Raises InvalidValue for a value that fits no attribute and an item that is too large, StepFailed, Interrupted;
    then some of the items are there and some are not.
    """
    names = tuple(key) or key_of(client, table)
    budget = budget or CapacityBudget(0, sleep=client.sleep)
    writers = [_Writer(client, table, names, budget, on_progress, before) for _ in range(max(workers, 1))]
    if len(writers) == 1:
        return writers[0].write(items)
    rest = iter(items)
    count = writers[0].write_while_busy(rest)
    return count + _dealt(writers, names, rest, table)


def key_of(client: Client, table: str) -> tuple[str, ...]:
    """Return the names of the attributes of the key of a physical table, the partition's first."""
    schema = client.call("DescribeTable", {"TableName": table})["Table"]["KeySchema"]
    return tuple(each["AttributeName"] for each in sorted(schema, key=lambda each: str(each["KeyType"])))


class _Writer:
    """Sends what one thread is given, in its order."""

    def __init__(
        self,
        client: Client,
        table: str,
        key: tuple[str, ...],
        budget: CapacityBudget,
        on_progress: OnProgress | None,
        before: Callable[[], None] | None,
    ) -> None:
        self._client = client
        self._table = table
        self._key = key
        self._budget = budget
        self._on_progress = on_progress
        self._before = before
        self._start = b'{"ReturnConsumedCapacity":"TOTAL","RequestItems":{' + _encode(table) + b":["
        self._puts: dict[Any, bytes] = {}  # by key: what the next request holds
        self._size = self._units = 0
        self._largest = budget.largest
        self._replaced = 0
        self._waited = 0.0  # seconds for the server
        self._attempts = retrying(Policy(attempts=PATIENCE, base=BASE, cap=CAP), sleep=client.sleep)
        self._attempt = next(self._attempts)  # its number counts requests in a row of which nothing was taken

    def write(self, items: Iterable[Values]) -> int:
        """Send all of `items` and return how many they were."""
        count = self._add_all(items)
        self.flush()
        return count

    def write_while_busy(self, items: Iterator[Values]) -> int:
        """Send `items`, until they end or the server is what is waited for; return how many they were.

        Nothing is left to be sent then: an item that another worker sends later comes later.
        """
        count, began = 0, time.perf_counter()
        while self._waited <= _WAITING * (time.perf_counter() - began):
            if not (written := self._add_all(islice(items, _ALONE))):
                break
            count += written
        self.flush()
        return count

    def flush(self) -> None:
        """Send what is left."""
        while self._puts:
            self._send()

    def _add_all(self, items: Iterable[Values]) -> int:
        count = 0
        for count, item in enumerate(items, 1):  # noqa: B007  it is returned
            self._add(item)
        return count

    def _add(self, item: Values) -> None:
        try:
            key = tuple([item[name] for name in self._key])
        except KeyError as error:
            raise _without_key(self._table, error.args[0]) from None
        put = b'{"PutRequest":{"Item":' + self._encoded(item, key) + b"}}"
        size = len(put)
        units = 1 + (size >> 10)
        if (
            len(self._puts) >= BATCH
            or self._size + size > LARGEST_BATCH
            or (self._puts and self._units + units > self._largest)
        ):
            self._send()
        if key in self._puts:
            self._drop(key)
        self._puts[key] = put
        self._size += size
        self._units += units

    def _encoded(self, item: Values, key: tuple[Any, ...]) -> bytes:
        attributes = to_item(item)
        try:
            encoded = _encode(attributes)
        except (TypeError, UnicodeEncodeError, msgspec.MsgspecError) as error:
            raise InvalidValue(
                f"the item {_named(self._key, key)} cannot be sent", because=str(error)
            ) from None
        if len(encoded) > LARGEST_ITEM and (size := item_size(attributes)) > LARGEST_ITEM:
            raise InvalidValue(
                f"the item {_named(self._key, key)} has {number(size)} bytes",
                because=f"DynamoDB takes {number(LARGEST_ITEM)} (400 KB) at most, names of attributes included",
                try_="split it, or keep the large part in S3",
            )
        return encoded

    def _drop(self, key: Any) -> None:
        """Forget a put that a later one of the same key replaces."""
        put = self._puts.pop(key)
        self._size -= len(put)
        self._units -= 1 + (len(put) >> 10)
        self._replaced += 1

    def _send(self) -> None:
        """Send one request; what the table did not take stays for the next one."""
        puts, estimate = self._puts, float(self._units)
        body = self._start + b",".join(puts.values()) + b"]}}"
        units = 0.0
        self._budget.acquire(estimate)
        began = time.perf_counter() - time.thread_time()
        try:
            answer = self._answer(body)
            self._waited += time.perf_counter() - time.thread_time() - began
            units = sum([each.CapacityUnits for each in answer.ConsumedCapacity])
        finally:
            self._budget.settle(estimate, units)
            self._largest = self._budget.largest
        left = answer.UnprocessedItems.get(self._table, ()) if answer.UnprocessedItems else ()
        self._keep(left)
        taken = len(puts) - len(left)
        self._tell(taken)
        if left:
            self._wait(taken)
        else:
            self._attempt.progressed()

    def _answer(self, body: bytes) -> _Answer:
        try:
            return self._client.post(
                "BatchWriteItem", body, _decode, on_throttle=self._budget.throttled, before=self._before
            )
        except ServiceError as error:
            if error.code == VALIDATION:
                raise StepFailed(
                    f"{self._table} rejects a batch of items",
                    because=error.message,
                    try_="compare the items' keys and types with the table's",
                ) from None
            raise

    def _keep(self, left: Sequence[_Unprocessed]) -> None:
        """Make what was left undone the beginning of the next request."""
        self._puts, self._size, self._units = {}, 0, 0
        for each in left:
            attributes = each.PutRequest["Item"]
            put = _encode({"PutRequest": each.PutRequest})
            self._puts[tuple([from_attribute(attributes[name]) for name in self._key])] = put
            self._size += len(put)
            self._units += 1 + (len(put) >> 10)

    def _tell(self, taken: int) -> None:
        taken, self._replaced = taken + self._replaced, 0
        if self._on_progress and taken:
            self._on_progress(taken)

    def _wait(self, taken: int) -> None:
        """Wait before what was left is resent, the longer the less was taken."""
        self._budget.throttled()
        if taken:
            self._attempt.progressed()
        self._attempt.failed(
            StepFailed(
                f"{self._table} takes no more items",
                because=f"{PATIENCE} requests in a row came back unprocessed",
                try_="look at the table's throttling (a hot partition, an index that lags), then run again",
            )
        )
        self._attempt = next(self._attempts)  # after its pause


# Several workers


class _WorkerQueues:
    """What the dealer and the workers share: a queue for each, and the first thing that went wrong."""

    def __init__(self, count: int) -> None:
        self.queues = [queue.Queue[list[Values] | None](_QUEUED) for _ in range(count)]
        self.failed = threading.Event()
        self._errors: list[BaseException] = []

    def fail(self, error: BaseException) -> None:
        self._errors.append(error)
        self.failed.set()

    def give(self, worker: int, items: list[Values] | None) -> None:
        """Hand `items` to a worker, waiting for room as long as nothing has failed."""
        while not self.failed.is_set():
            try:
                self.queues[worker].put(items, timeout=_LOOK)
            except queue.Full:
                continue
            return

    def taken(self, worker: int) -> Iterator[Values]:
        """Yield what is given to a worker, until the end or until something fails anywhere."""
        while not self.failed.is_set():
            try:
                items = self.queues[worker].get(timeout=_LOOK)
            except queue.Empty:
                continue
            if items is None:
                return
            yield from items

    def raise_first(self) -> None:
        """Raise what went wrong; an interruption only where there is nothing that says more."""
        for error in sorted(self._errors, key=lambda each: isinstance(each, Interrupted)):
            raise error


_LOOK = 0.1  # seconds between looks whether another worker failed


def _dealt(writers: Sequence[_Writer], names: Sequence[str], items: Iterable[Values], table: str) -> int:
    """Let every writer write what falls to it by its key, each in a thread of its own; return how many in all."""
    hands = _WorkerQueues(len(writers))

    def work(number: int) -> None:
        try:
            writers[number].write(hands.taken(number))
        except BaseException as error:  # noqa: BLE001  it is raised again in the thread that asked
            hands.fail(error)

    threads = [
        threading.Thread(target=work, args=(number,), name=f"bulk-{number}", daemon=True)
        for number in range(len(writers))
    ]
    for each in threads:
        each.start()
    try:
        count = _deal(hands, names, items, table)
        for number in range(len(writers)):
            hands.give(number, None)
    except BaseException as error:
        hands.fail(error)
        raise
    finally:
        for each in threads:
            each.join()
    hands.raise_first()
    return count


def _deal(hands: _WorkerQueues, names: Sequence[str], items: Iterable[Values], table: str) -> int:
    """Hand out `items` and return how many they were."""
    workers = len(hands.queues)
    waiting: list[list[Values]] = [[] for _ in range(workers)]
    count = 0
    for count, item in enumerate(items, 1):  # noqa: B007  it is returned
        try:
            number = hash(tuple([item[name] for name in names])) % workers
        except KeyError as error:
            raise _without_key(table, error.args[0]) from None
        waiting[number].append(item)
        if len(waiting[number]) >= _DEAL:
            hands.give(number, waiting[number])
            waiting[number] = []
            if hands.failed.is_set():
                break
    for number, rest in enumerate(waiting):
        hands.give(number, rest)
    return count


def _without_key(table: str, name: str) -> InvalidValue:
    return InvalidValue(
        f"an item of {table} has no {name}",
        because="it is part of the table's key",
        try_="give every item one",
    )


def _named(names: Sequence[str], key: Sequence[Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in zip(names, key, strict=True))
