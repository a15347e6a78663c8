"""Ids of an attribute, for references that cross databases: all of them, or what became of a few. Reads only.

All ids come from a scan that is eventually consistent: half the units, and what it misses is no finding. An id that
was written a moment ago is checked by the next run. What is looked up again is looked up consistently, but for what a
global index finds: that lags behind its table by moments, and a grace is longer. Such an index is scanned in the
table's place only where it certainly has every item: its key is part of the table's. One that is sparse would be
cheaper, but cannot tell how many items have no id, nor which lack its other attributes.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from seedbed.engines.dynamodb.database import DynamoDatabase, translate_errors
from seedbed.engines.dynamodb.running.ids_of_items import ItemIds
from seedbed.engines.dynamodb.running.transform.costs import read_units
from seedbed.engines.dynamodb.running.transform.metered_table import MeteredTable, ScanPage
from seedbed.engines.dynamodb.running.transform.values import Item
from seedbed.engines.dynamodb.schema.current import TableState, described, states
from seedbed.engines.dynamodb.schema.shape import IndexShape, TableShape
from seedbed.engines.dynamodb.wire.capacity import CapacityBudget
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.engines.dynamodb.wire.values import InvalidValue, to_attribute
from seedbed.engines.kit.ids import Tally, moment, takes
from seedbed.errors import StepFailed
from seedbed.model.ids import Extent, Ids, number, spellings
from seedbed.model.platform import ALL, Where
from seedbed.model.verification import Holders, Suspect
from seedbed.wire.retrying import Policy, retrying

EVENTUALLY = 0.5  # of the units of a consistent read
_UNIT = 4096  # bytes
_PAGE = 10_000  # items that one call of a scan looks at, at most
_SEGMENT = 8 << 20  # bytes that are worth a segment of their own
_TOGETHER = 100  # keys in a BatchGetItem
_LONGEST = 2048  # bytes of a key's attribute; of a sort key's it is less, and nobody asks for it alone
_MANY = 1000  # ids for which a scan may be cheaper than asking for each
_UNPROCESSED = Policy(attempts=20, base=0.05, cap=5.0)


def ids(database: DynamoDatabase, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
    """Yield the ids of an attribute, a block for each page. Raises StepFailed, Unreachable, Interrupted."""
    with translate_errors(database, f"reading the ids of {path}"):
        source = _Source(database, path, where)
        items, unknown = 0, [source.ids, *source.beside.values()]
        for page in source.scan(source.whole, is_consistent=False):
            items += len(page)
            unknown = [each for each in unknown if not each.is_any_in(page)]
            yield source.ids.block([each for each in page if source.takes(each)])
        source.require_known(items, unknown)
        source.require_same()


def found(database: DynamoDatabase, path: str, ids: Sequence[str]) -> Collection[str]:
    """Return those of `ids` that an attribute has now. Raises StepFailed, Unreachable, Interrupted."""
    with translate_errors(database, f"looking for ids in {path}"):
        source = _Source(database, path)
        wanted, there = frozenset(ids), set[str]()
        with closing(source.holding(ids, most=1)) as items:
            for item in items:
                there |= wanted.intersection(source.ids.of(item))
                if len(there) == len(wanted):
                    break
        return there


def holders(
    database: DynamoDatabase,
    path: str,
    suspects: Sequence[Suspect],
    *,
    time: str,
    most: int,
    where: Where = ALL,
) -> Mapping[str, Holders]:
    """Return the items that hold ids now, by id. Raises StepFailed, Unreachable, Interrupted.

    Those of a suspect that has rows are looked for among its rows: what came to hold it since then is not seen, and of
    the `more` that hold it, it is believed that they do as long as one of its rows does.
    """
    with translate_errors(database, f"looking for what holds ids in {path}"):
        source = _Source(database, path, where)
        rows = dict.fromkeys(row for each in suspects for row in each.rows)
        bare = [each.id for each in suspects if not each.rows]
        rows |= dict.fromkeys(source.ids.row(item) for item in source.holding(bare))
        tally = Tally(suspects, most)
        for item in source.items([source.ids.key(row) for row in sorted(rows)], time):
            if not source.takes(item):
                continue
            since = _moment(item.get(time)) if time else None
            for each in set(source.ids.of(item)):
                tally.add(each, source.ids.row(item), since)
        return tally.holders()


def extent(database: DynamoDatabase, path: str, where: Where = ALL) -> Extent:
    """Return about how many items and read units `ids` takes, by what DynamoDB counted up to six hours ago."""
    with translate_errors(database, f"estimating what it costs to read {path}"):
        return _Source(database, path, where).extent


class _Source:
    """An attribute of a table: "table.attribute", or "table.attribute.member" for what lies within maps or lists."""

    def __init__(self, database: DynamoDatabase, path: str, where: Where = ALL) -> None:
        self.table, _, inside = path.partition(".")
        self._database = database
        self._description = _described(database, self.table, path)
        self._shape: TableShape = described(self._description, name=self.table)
        self._states: Mapping[str, TableState] = states(self._description)
        self.ids = ItemIds(inside, self._shape)
        self.name = self.ids.name
        self._where = where
        self.beside = {each: ItemIds(each, self._shape) for each in where.fields}
        state = self._states[""]
        size = state.bytes_ / state.items if state.items else 0.0
        self._access = read_only(database, self.table, item_size=size)

    @property
    def attributes(self) -> Sequence[str]:
        """The attributes that say what is an id and which items count."""
        return self.name, *(each.name for each in self.beside.values())

    def takes(self, item: Item) -> bool:
        """Return whether `item`, read whole or by a scan, is one that counts."""
        return takes(self._where, lambda name: self.beside[name].of(item))

    @property
    def units(self) -> float:
        """How many units it takes to read all of it, eventually consistent."""
        return max(1.0, self._states[self.whole].bytes_ / _UNIT) * EVENTUALLY

    @property
    def extent(self) -> Extent:
        """What it takes to read all of it."""
        return Extent(
            self._states[self.whole].items, self.units, self.whole, finds_few=self._searched() is not None
        )

    @property
    def whole(self) -> str:
        """The smallest index that certainly has the attribute of every item; "" for the table itself."""
        fitting = [each.name for each in self._ready() if self._is_whole(each) and self._projects(each)]
        return min(["", *fitting], key=lambda each: (self._states[each].bytes_, each))

    def scan(self, index: str, *, is_consistent: bool) -> Generator[Sequence[Item], None, None]:
        """Yield pages of what `ids` reads of the items, from segments side by side where the table is large."""
        segments = max(1, min(self._database.address.segments, self._states[index].bytes_ // _SEGMENT))
        only = {"ConsistentRead": is_consistent, **self._projection(*self.attributes)}
        if index:
            only["IndexName"] = index

        def page(segment: int, start: Mapping[str, Any] | None) -> ScanPage:
            return self._access.scan(segment, segments, start=start, limit=_PAGE, only=only)

        with ThreadPoolExecutor(segments, "ids") as pool:
            asked = {pool.submit(page, segment, None): segment for segment in range(segments)}
            while asked:
                for done in wait(asked, return_when=FIRST_COMPLETED).done:
                    segment, answer = asked.pop(done), done.result()
                    if answer.last is not None:
                        asked[pool.submit(page, segment, answer.last)] = segment
                    yield answer.items

    def holding(self, ids: Sequence[str], most: int = 0) -> Generator[Item, None, None]:
        """Yield items that hold one of `ids`, keys and attribute alone: of each id `most`, where that is cheaper."""
        wanted = frozenset(ids)
        if wanted:
            with closing(self._likely(ids, most)) as items:
                yield from (each for each in items if not wanted.isdisjoint(self.ids.of(each)))

    def _likely(self, ids: Sequence[str], most: int) -> Generator[Item, None, None]:
        """Yield items among which all are that hold one of `ids`."""
        texts = self._as_keys(spellings(ids))
        index = self._searched()
        if index is None or (len(ids) >= _MANY and self.units < len(ids) * EVENTUALLY):
            with closing(self.scan("", is_consistent=True)) as pages:
                for page in pages:
                    yield from page
        elif not index and not self._shape.key.sort:
            yield from self.items([{self.name: {self._kind: each}} for each in texts])
        else:
            with ThreadPoolExecutor(self._database.address.segments, "ids") as pool:
                try:
                    for several in pool.map(lambda text: self._query(index, text, most), texts):
                        yield from several
                finally:
                    pool.shutdown(cancel_futures=True)

    def items(self, keys: Iterable[Item], time: str = "") -> Iterator[Item]:
        """Yield those items of `keys` that are there now: what `ids` reads of them, and the attribute `time`."""
        left = iter(keys)
        asked = {**self._projection(time, *self.attributes), "ConsistentRead": True}
        while batch := list(islice(left, _TOGETHER)):
            for attempt in retrying(_UNPROCESSED, sleep=self._database.client.sleep):
                body = {
                    "RequestItems": {self._access.table: {**asked, "Keys": batch}},
                    "ReturnConsumedCapacity": "TOTAL",
                }
                answer = self._access.read("BatchGetItem", body, float(len(batch)))
                yield from answer["Responses"].get(self._access.table, ())
                again = answer.get("UnprocessedKeys", {}).get(self._access.table, {}).get("Keys", [])
                if not again:
                    break
                self._access.reads.throttled()
                if len(again) < len(batch):
                    attempt.progressed()
                attempt.failed(StepFailed(f"the table {self._access.table} gives no more items now"))
                batch = again

    def require_known(self, items: int, unknown: Iterable[ItemIds]) -> None:
        """Raise StepFailed where no item has one of `unknown`, and nothing declares it: it is misspelled."""
        names = {*self._shape.key_types}
        if declared := self._database.declared().table(self.table):
            names |= {*declared.attributes, *declared.key_types}
        if items and (missing := [each.name for each in unknown if each.name not in names]):
            raise StepFailed(
                f"no item of {self.table} has the attribute {missing[0]}",
                because="tables.toml does not declare it either",
                try_="correct the reference in seedbed.toml, or declare the attribute",
            )

    def require_same(self) -> None:
        """Raise StepFailed where the table was made anew while it was read: parts of two were read then."""
        now = self._database.description(self.table)
        if any(now.get(each) != self._description.get(each) for each in ("TableId", "CreationDateTime")):
            raise StepFailed(
                f"the table {self.table} was deleted and created again while it was read",
                try_="run the same command again",
            )

    @property
    def _kind(self) -> str:
        return self._shape.key_types[self.name]

    def _as_keys(self, texts: Iterable[str]) -> Sequence[str]:
        """Return those of `texts` that a key's attribute of this type can hold."""
        if self._shape.key_types.get(self.name) == "N":
            return [each for each in texts if number(each) and _is_in_range(each)]
        return [each for each in texts if 0 < len(each.encode()) <= _LONGEST]

    def _searched(self) -> str | None:
        """Return the index that is asked for ids, "" for the table itself; None: only a scan finds them all."""
        if self.ids.inner or self._shape.key_types.get(self.name) == "B":
            return None
        if self._shape.key.partition == (self.name,):
            return ""
        fitting = (each.name for each in self._ready() if each.key.partition == (self.name,))
        return next((each for each in fitting if self._has_all(each)), None)

    def _has_all(self, name: str) -> bool:
        """Return whether an index has every item that has its partition's attribute."""
        index = self._shape.index(name)
        return index is not None and {*index.key.sort} <= {*self._shape.key.partition, *self._shape.key.sort}

    def _ready(self) -> Iterator[IndexShape]:
        return (each for each in self._shape.global_indexes if self._states[each.name].is_ready)

    def _is_whole(self, index: IndexShape) -> bool:
        own = {*self._shape.key.partition, *self._shape.key.sort}
        return {*index.key.partition, *index.key.sort} <= own

    def _projects(self, index: IndexShape) -> bool:
        own = {*self._shape.key.partition, *self._shape.key.sort, *index.projection.attributes}
        return index.projection.kind == "ALL" or {*self.attributes} <= own

    def _query(self, index: str, text: str, most: int) -> Sequence[Item]:
        """Return the items whose attribute is `text`: `most` of them, 0 for all."""
        body: dict[str, Any] = {
            "TableName": self._access.table,
            "KeyConditionExpression": "#id = :id",
            "ExpressionAttributeValues": {":id": {self._kind: text}},
            "ReturnConsumedCapacity": "INDEXES",
            **self._projection(),
        }
        body["ExpressionAttributeNames"] = {**body["ExpressionAttributeNames"], "#id": self.name}
        body |= {"IndexName": index} if index else {"ConsistentRead": True}
        if most:
            body["Limit"] = most
        items: list[Item] = []
        while True:
            answer = self._access.read("Query", body, read_units(0))
            items += answer["Items"]
            if most or not answer.get("LastEvaluatedKey"):
                return items
            body["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _projection(self, *more: str) -> dict[str, Any]:
        """Return the part of a request that says which attributes are wanted: the key, ours, and `more`."""
        wanted = dict.fromkeys((*self.ids.keys, self.name, *filter(None, more)))
        names = {f"#a{at}": name for at, name in enumerate(wanted)}
        return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


def _described(database: DynamoDatabase, table: str, path: str) -> dict[str, Any]:
    try:
        return database.description(table)
    except ServiceError as error:
        if error.code != NOT_FOUND:
            raise
    raise StepFailed(
        f"there is no table {table}",
        because=f"of {path}, and {database.address} has no {database.physical(table)}",
        try_="correct the reference in seedbed.toml: table.attribute; or deploy the table",
    )


def _moment(value: Mapping[str, Any] | None) -> datetime | None:
    """Return the time that an attribute tells: text as ISO 8601 has it, or seconds or milliseconds since 1970."""
    return moment(next(iter(value.values()))) if value else None


def _is_in_range(text: str) -> bool:
    """Return whether a number is one that DynamoDB can hold."""
    try:
        to_attribute(Decimal(text))
    except InvalidValue:
        return False
    return True


def read_only(database: DynamoDatabase, table: str, *, item_size: float = 0.0) -> MeteredTable:
    """Return the logical `table` for who only reads it, within the database's budget."""
    return MeteredTable(
        database.client,
        database.physical(table),
        reads=CapacityBudget(database.address.read_units, sleep=database.client.sleep),
        writes=CapacityBudget(0.0),
        check=_never_writes,
        spent=database.spent,
        item_size=item_size,
    )


def _never_writes() -> None:
    """Allow nothing: there is no write."""
