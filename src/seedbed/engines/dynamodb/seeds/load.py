"""Loading a dataset: rows become items, what is there and equal is left alone.

Every row is checked against tables.toml before the first is written. Then a hundred at a time are read, compared and
written in transactions with the lease's token, each write on condition that the item still is as it was read. No
transaction of DynamoDB's holds a whole dataset: what failed goes on when it is run again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from seedbed.engines.dynamodb.database import DynamoDatabase, not_deployed
from seedbed.engines.dynamodb.seeds.items import SeedItem, SeedPart, item_id, parts_of
from seedbed.engines.dynamodb.seeds.writes import ItemWrite, transactions, write
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.engines.dynamodb.wire.values import Item
from seedbed.engines.kit.tally import Tally
from seedbed.errors import StepFailed, collected
from seedbed.model.seed import Dataset, Loaded, OnLoading
from seedbed.wire.retrying import Policy, retrying

if TYPE_CHECKING:
    from seedbed.engines.dynamodb.store.fenced_writer import FencedWriter

_CONTENTION = Policy(attempts=6, base=0.05, cap=1.0)  # for items that others keep changing
_UNPROCESSED = Policy(attempts=40, base=0.05, cap=5.0)  # requests in a row that return nothing


def load(lease: FencedWriter, dataset: Dataset, on_loading: OnLoading) -> Iterator[Loaded]:
    """Load all parts of `dataset`. Every row is checked before the first is written.

    Raises StepFailed with file and line, SeedFileError, LeaseLost, Interrupted.
    """
    parts = parts_of(lease.database, dataset)
    collected(part.check for part in parts)
    for part in parts:
        tally = Tally(part.source.path, on_loading)
        with refusals(lease.database, part):
            for items in part.chunks():
                _load(lease, part, items, tally)
        yield tally.loaded


@contextmanager
def refusals(database: DynamoDatabase, part: SeedPart) -> Iterator[None]:
    """Tell what DynamoDB refuses inside as a failure of `part`."""
    try:
        yield
    except ServiceError as error:
        if error.code == NOT_FOUND:
            raise not_deployed(database, part.table.name) from None
        raise part.failed(0, f"the seed failed: {error.what}", error.because, error.try_) from None


def _load(lease: FencedWriter, part: SeedPart, items: Sequence[SeedItem], tally: Tally) -> None:
    """Make the table hold `items`."""
    left = list(items)
    for attempt in retrying(_CONTENTION, sleep=lease.database.client.sleep):
        stored = _stored(lease, part, left)
        name = lease.database.physical(part.table.name)
        writes = [write(name, part.table, item, stored.get(item.id)) for item in left]
        tally.add(unchanged=writes.count(None))
        left = []
        for batch in transactions(filter(None, writes)):
            if _commit(lease, part, batch):
                new = sum(each.is_new for each in batch)
                tally.add(inserted=new, updated=len(batch) - new)
            else:
                left += [each.item for each in batch]  # written in between: read again
        if not left:
            return
        attempt.failed(
            part.failed(
                left[0].line,
                f"items of {part.table.name} change all the time",
                f"after {attempt.number} attempts another process had changed the rows that were to be loaded",
            )
        )


def _commit(lease: FencedWriter, part: SeedPart, batch: Sequence[ItemWrite]) -> bool:
    """Write `batch`, all or nothing; return whether its items were as they had been read."""
    try:
        lease.commit([each.action for each in batch])
    except ServiceError as error:
        if not error.is_condition:
            raise _refused(part, batch, error) from None
        return False
    return True


def _refused(part: SeedPart, batch: Sequence[ItemWrite], error: ServiceError) -> StepFailed:
    number = next((at for at, code in enumerate(error.reasons) if code), None)
    if number is None and len(batch) > 1:  # DynamoDB does not say which
        lines = [each.item.line for each in batch]
        because = f"{error.because}; it is one of the rows from line {min(lines)} to {max(lines)}"
        return part.failed(0, f"the seed failed: {error.what}", because, error.try_)
    return part.failed(
        batch[number or 0].item.line, f"the seed failed: {error.what}", error.because, error.try_
    )


def _stored(lease: FencedWriter, part: SeedPart, items: Sequence[SeedItem]) -> dict[str, Item]:
    """Return the stored items of `items` by their ids."""
    name = lease.database.physical(part.table.name)
    found: dict[str, Item] = {}
    asked: Mapping[str, Any] = (
        {name: {"Keys": [item.key for item in items], "ConsistentRead": True}} if items else {}
    )
    for attempt in retrying(_UNPROCESSED, sleep=lease.database.client.sleep):
        if not asked:
            break
        lease.check()
        before = len(found)
        answer = lease.database.client.call("BatchGetItem", {"RequestItems": asked})
        for item in answer.get("Responses", {}).get(name, []):
            found[item_id({each: item[each] for each in part.key_names})] = item
        if len(found) > before:
            attempt.progressed()
        if asked := answer.get("UnprocessedKeys") or {}:
            attempt.failed(part.failed(0, f"{part.table.name} does not return its items", "it is throttled"))
    return found
