"""What DynamoDB answers to each operation, as far as seedbed reads it: what is of another shape is not its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, Required, TypedDict, cast

from msgspec import Struct, convert
from msgspec.json import Decoder

from seedbed.support.typed import ready

Item = dict[str, dict[str, Any]]
Decode = Callable[[bytes], dict[str, Any]]


class _Consumed(TypedDict, total=False):
    TableName: str
    CapacityUnits: float


class _Answer(TypedDict, total=False):
    """Of whatever writes, and of what nobody looks at."""

    Attributes: Item
    UnprocessedItems: dict[str, list[dict[str, Any]]]
    ConsumedCapacity: _Consumed | list[_Consumed]


class _Got(TypedDict, total=False):
    Item: Item
    ConsumedCapacity: _Consumed


class _Page(TypedDict, total=False):
    Items: Required[list[Item]]
    Count: int
    ScannedCount: int
    LastEvaluatedKey: Item
    ConsumedCapacity: _Consumed


class _Selected(TypedDict, total=False):
    Items: Required[list[Item]]
    NextToken: str
    ConsumedCapacity: _Consumed


class _Counted(TypedDict, total=False):
    Count: Required[int]
    LastEvaluatedKey: Item


class _Batch(TypedDict, total=False):
    Responses: Required[dict[str, list[Item]]]
    UnprocessedKeys: dict[str, Any]


class _Key(Struct):
    AttributeName: str
    KeyType: Literal["HASH", "RANGE"]


class _Attribute(Struct):
    AttributeName: str
    AttributeType: Literal["S", "N", "B"]


class _Projection(Struct, frozen=True):
    ProjectionType: Literal["ALL", "KEYS_ONLY", "INCLUDE"] = "ALL"
    NonKeyAttributes: list[str] = []


class _Index(Struct):
    IndexName: str
    KeySchema: list[_Key] = []
    Projection: _Projection = _Projection()
    IndexStatus: str = ""
    Backfilling: bool = False
    ItemCount: int = 0
    IndexSizeBytes: int = 0


class _Table(Struct):
    """One that is being deleted says little of itself."""

    TableName: str
    KeySchema: list[_Key] = []
    AttributeDefinitions: list[_Attribute] = []
    TableStatus: str = ""
    ItemCount: int = 0
    TableSizeBytes: int = 0
    GlobalSecondaryIndexes: list[_Index] = []
    LocalSecondaryIndexes: list[_Index] = []
    StreamSpecification: dict[str, Any] = {}


class _TimeToLive(Struct):
    TimeToLiveStatus: str = "DISABLED"
    AttributeName: str = ""


class _Described(Struct):
    Table: _Table


class _DescribedTimeToLive(Struct):
    TimeToLiveDescription: _TimeToLive


_SHAPES: Mapping[str, Any] = {
    "BatchGetItem": _Batch,
    "DescribeTable": _Described,
    "DescribeTimeToLive": _DescribedTimeToLive,
    "ExecuteStatement": _Selected,
    "GetItem": _Got,
}
_decode = Decoder(dict[str, Any]).decode


def decoder(operation: str, body: Mapping[str, Any]) -> Decode:
    """Return what reads the answer to `operation`, and raises one of UNREADABLE for what it cannot have said."""
    if operation in {"Query", "Scan"}:
        return _typed(_Counted if body.get("Select") == "COUNT" else _Page)
    return _checking(_SHAPES.get(operation, _Answer))


@cache
def _typed(shape: Any) -> Decode:
    """Return what reads a page at once: there may be a megabyte of it."""
    return cast(Decode, Decoder(ready(shape)).decode)


@cache
def _checking(shape: Any) -> Decode:
    ready(shape)

    def decode(body: bytes) -> dict[str, Any]:
        answer = _decode(body)
        convert(answer, shape)
        return answer

    return decode
