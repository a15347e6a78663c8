"""Loading a dataset: rows become items, what is there and equal is left alone.

Every row is checked against tables.toml before the first is written. Then a hundred at a time are read, compared and
written in transactions with the lease's token, each write on condition that the item still is as it was read. Volume
goes in bulk instead, unread. No transaction of DynamoDB's holds a whole dataset: what failed goes on when it is run
again.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from seedbed.engines.dynamodb.history import Action
from seedbed.engines.dynamodb.place import not_deployed
from seedbed.engines.dynamodb.tables.shape import Table
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.engines.dynamodb.wire.values import Attribute, Item, to_attribute
from seedbed.errors import Location, SeedFileError, StepFailed
from seedbed.model.seed import Dataset, Loaded, Rows, RowSource, Script, SeedKind, in_memory
from seedbed.support.phrases import shorten

if TYPE_CHECKING:
    from seedbed.engines.dynamodb.guarded import Guarded

_READ = 100  # items in one BatchGetItem
_WRITTEN = 90  # items in one transaction
_LARGEST = 3_500_000  # bytes of them as JSON; DynamoDB takes 4 MB
_ATTEMPTS = 5
_WHOLE = re.compile(r"[+-]?[0-9]+")
ABSENT = object()  # in place of a value: the item has no such attribute


class Row(Struct, frozen=True):
    """One row as an item: `key` and `values` as attribute values; None where the item has no such attribute."""

    key: Item
    values: Mapping[str, Attribute | None]
    line: int


class _Part(Struct, frozen=True):
    rows: Rows
    table: Table
    items: tuple[Row, ...] = ()


class _Write(Struct, frozen=True):
    row: Row
    action: Action
    is_new: bool


def load(lease: Guarded, dataset: Dataset) -> Iterator[Loaded]:
    """Load all parts of `dataset`. Every row is checked before the first is written.

    Raises StepFailed with file and line, LeaseLost, Interrupted.
    """
    is_volume = dataset.kind is SeedKind.VOLUME
    parts = [_part(lease, each, is_volume=is_volume) for each in dataset.parts]
    for part in parts:
        try:
            yield _bulk(lease, part) if is_volume else _loaded(lease, part)
        except ServiceError as error:
            if error.code == NOT_FOUND:
                raise not_deployed(lease.place, part.table.name) from None
            raise _failed(part.rows, 0, f"the seed failed: {error.what}", error.because) from None


def _loaded(lease: Guarded, part: _Part) -> Loaded:
    inserted = updated = 0
    for first in range(0, len(part.items), _READ):
        added, changed = _chunk(lease, part, part.items[first : first + _READ])
        inserted, updated = inserted + added, updated + changed
    return Loaded(part.rows.path, inserted, updated, len(part.items) - inserted - updated)


def _bulk(lease: Guarded, part: _Part) -> Loaded:
    """Write all items as they are, without looking at what is there: volume is made, and made again the same."""
    from seedbed.engines.dynamodb import bulk
    from seedbed.engines.dynamodb.capacity import Budget

    place = lease.place
    count = bulk.load(
        place.client,
        place.physical(part.table.name),
        _items(part),
        key=_key_names(part.table),
        workers=place.address.segments,
        budget=Budget(place.address.write_units, sleep=place.client.sleep),
        before=lease.prove,
    )
    return Loaded(part.rows.path, inserted=count)


def _items(part: _Part) -> Iterator[dict[str, Any]]:
    """Yield the values of every row."""
    for number in range(len(part.rows.rows)):
        values = _values(part.rows, part.table, number)
        yield {name: value for name, value in values.items() if value is not ABSENT}


# comparing and writing


def _chunk(lease: Guarded, part: _Part, rows: Sequence[Row]) -> tuple[int, int]:
    """Make the table hold `rows`; return how many were inserted and updated."""
    inserted = updated = 0
    left = list(rows)
    for attempt in range(_ATTEMPTS + 1):
        stored = _stored(lease, part.table, left)
        writes = list(
            filter(None, (_write(lease, part.table, row, stored.get(_id(row.key))) for row in left))
        )
        left = []
        for batch in _batches(writes):
            try:
                lease.commit([each.action for each in batch])
            except ServiceError as error:
                if not error.is_condition:
                    raise _refused(part.rows, batch, error) from None
                left += [each.row for each in batch]  # somebody wrote in between: look again
            else:
                inserted += sum(each.is_new for each in batch)
                updated += sum(not each.is_new for each in batch)
        if not left:
            break
        lease.place.client.sleep(0.05 * attempt)
    else:
        raise _failed(
            part.rows,
            left[0].line,
            f"items of {part.table.name} change all the time",
            f"after {_ATTEMPTS} attempts somebody else had written again what was to be loaded",
        )
    return inserted, updated


def _stored(lease: Guarded, table: Table, rows: Sequence[Row]) -> dict[str, Item]:
    """Return the stored items of `rows` by their keys."""
    name, found = lease.place.physical(table.name), {}
    asked: Mapping[str, Any] = (
        {name: {"Keys": [row.key for row in rows], "ConsistentRead": True}} if rows else {}
    )
    pause = 0.05
    while asked:
        lease.prove()
        answer = lease.place.client.call("BatchGetItem", {"RequestItems": asked})
        for item in answer.get("Responses", {}).get(name, []):
            found[_id({each: item[each] for each in _key_names(table)})] = item
        asked = answer.get("UnprocessedKeys") or {}
        if asked:
            lease.place.client.sleep(pause)
            pause = min(2 * pause, 5.0)
    return found


def _write(lease: Guarded, table: Table, row: Row, stored: Item | None) -> _Write | None:
    """Return what makes the table hold `row`; None where it does already."""
    name = lease.place.physical(table.name)
    if stored is None:
        item = {**row.key, **{each: value for each, value in row.values.items() if value is not None}}
        condition = {
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": table.key.partition[0]},
        }
        return _Write(row, {"Put": {"TableName": name, "Item": item, **condition}}, is_new=True)
    changed = [each for each, value in row.values.items() if not _is_same(stored.get(each), value)]
    if not changed:
        return None
    return _Write(
        row, {"Update": {"TableName": name, "Key": row.key, **_update(row, stored, changed)}}, is_new=False
    )


def _update(row: Row, stored: Item, changed: Sequence[str]) -> dict[str, Any]:
    """Return the expressions that set what `changed`, where it still is as `stored`."""
    names: dict[str, str] = {}
    values: Item = {}
    sets, removes, conditions = [], [], []
    for at, name in enumerate(changed):
        names[f"#n{at}"] = name
        if (new := row.values[name]) is None:
            removes.append(f"#n{at}")
        else:
            values[f":n{at}"] = new
            sets.append(f"#n{at} = :n{at}")
        if (old := stored.get(name)) is None:
            conditions.append(f"attribute_not_exists(#n{at})")
        else:
            values[f":o{at}"] = old
            conditions.append(f"#n{at} = :o{at}")
    # An update would bring back an item that was deleted in between.
    names["#key"] = next(iter(row.key))
    conditions.append("attribute_exists(#key)")
    parts = [f"SET {', '.join(sets)}"] if sets else []
    parts += [f"REMOVE {', '.join(removes)}"] if removes else []
    return {
        "UpdateExpression": " ".join(parts),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def _batches(writes: Sequence[_Write]) -> Iterator[list[_Write]]:
    batch: list[_Write] = []
    size = 0
    for write in writes:
        length = len(json.dumps(write.action))
        if batch and (len(batch) == _WRITTEN or size + length > _LARGEST):
            yield batch
            batch, size = [], 0
        batch.append(write)
        size += length
    if batch:
        yield batch


def _is_same(stored: Attribute | None, wanted: Attribute | None) -> bool:
    """Return whether two attribute values mean the same: numbers by value, sets in any order."""
    return _comparable(stored) == _comparable(wanted)


def _comparable(value: Attribute | None) -> object:
    if value is None:
        return None
    ((kind, held),) = value.items()
    match kind:
        case "N":
            return kind, Decimal(held)
        case "NS":
            return kind, frozenset(map(Decimal, held))
        case "SS" | "BS":
            return kind, frozenset(held)
        case "L":
            return kind, [_comparable(each) for each in held]
        case "M":
            return kind, {name: _comparable(each) for name, each in held.items()}
    return kind, held


# rows -> items


def _part(lease: Guarded, source: RowSource | Script, *, is_volume: bool) -> _Part:
    """Return a part of a dataset, its rows as items unless there are too many. Raises StepFailed, SeedFileError."""
    if isinstance(source, Script):
        raise SeedFileError(
            "this is no seed of this engine",
            because="it loads rows: .csv, .json, .py",
            at=Location(source.path),
        )
    part = in_memory(source)
    table = lease.place.declared().table(part.table)
    if table is None:
        known = ", ".join(each.name for each in lease.place.declared().tables) or "none"
        raise _failed(part, 0, f"there is no table {part.table!r}", f"the tables that are declared: {known}")
    _insist_on_key(part, table)
    if is_volume:
        return _Part(part, table)
    rows = tuple(_row(part, table, number) for number in range(len(part.rows)))
    seen: dict[str, int] = {}
    for number, row in enumerate(rows):
        if (first := seen.setdefault(_id(row.key), number)) != number:
            other = rows[first].line
            because = (
                f"line {other} has it too" if other != row.line else f"rows {first + 1} and {number + 1} do"
            )
            raise _failed(part, row.line, "two rows have the same key", because)
    return _Part(part, table, rows)


def _key_names(table: Table) -> tuple[str, ...]:
    return (*table.key.partition, *table.key.sort)


def _insist_on_key(part: Rows, table: Table) -> None:
    wanted = _key_names(table)
    if part.key and set(part.key) != set(wanted):
        raise _failed(
            part,
            0,
            f"the rows are declared to have the key {', '.join(part.key)}",
            f"{table.name} has {', '.join(wanted)}",
        )
    if part.rows and (missing := [each for each in wanted if each not in part.columns]):
        raise _failed(part, 0, f"the rows have no {missing[0]}", f"it is part of the key of {table.name}")


def _row(part: Rows, table: Table, number: int) -> Row:
    values = _values(part, table, number)
    line = _line(part, number)
    found: dict[str, Attribute | None] = {}
    for name, value in values.items():
        try:
            found[name] = None if value is ABSENT else to_attribute(value, name)
        except StepFailed as wrong:
            raise _failed(part, line, wrong.what, wrong.because) from None
    key = {name: each for name in _key_names(table) if (each := found.pop(name)) is not None}
    return Row(key, found, line)


def _line(part: Rows, number: int) -> int:
    return part.lines[number] if number < len(part.lines) else 0


def _values(part: Rows, table: Table, number: int) -> dict[str, Any]:
    """Return the values of row `number` as the table declares them, ABSENT for an attribute that is not to be there.

    Raises StepFailed naming the row.
    """
    types: Mapping[str, str] = {**table.attributes, **table.key_types}
    is_cell = part.path.endswith(".csv")
    values: dict[str, Any] = {}
    for name, value in zip(part.columns, part.rows[number], strict=True):
        try:
            values[name] = _fitted(value, types.get(name, ""), is_cell=is_cell)
        except (ValueError, TypeError, InvalidOperation) as wrong:
            what = f"{name} = {shorten(repr(value), 40)} does not fit"
            raise _failed(part, _line(part, number), what, str(wrong)) from None
    for name in _key_names(table):
        if values[name] is ABSENT:
            because = f"it is part of the key of {table.name}"
            raise _failed(part, _line(part, number), f"{name} is empty", because)
    return values


def _fitted(value: object, kind: str, *, is_cell: bool) -> object:
    """Return `value` as the declared `kind` ("" where none is) wants it. Raises ValueError.

    `is_cell`: the value stood in a .csv, where everything is text in the type's own notation.
    """
    if value is None:
        return None if kind == "NULL" else ABSENT
    if is_cell and isinstance(value, str) and kind not in {"", "S"}:
        value = _read_cell(value, kind)
    found = _made(value, kind)
    if kind and not _is(found, kind):
        raise ValueError(f"it is {type(found).__name__}, and declared as {_NAMES[kind]} ({kind})")
    return found


def _is(value: object, kind: str) -> bool:
    # For Python, a truth value is a number as well.
    return isinstance(value, _TYPES[kind]) and (kind == "BOOL" or not isinstance(value, bool))


def _made(value: object, kind: str) -> object:
    """Return `value` with what documents have no word for (sets, bytes, exact numbers) made of what they have."""
    match kind:
        case "SS" | "NS" | "BS" if isinstance(value, list | tuple):
            return {_made(each, kind[0]) for each in value}
        case "B" if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    return _exact(value)


def _exact(value: object) -> object:
    """Return `value` with floats as the decimals that they were written as."""
    match value:
        case float():
            return Decimal(repr(value))
        case list() | tuple():
            return [_exact(each) for each in value]
        case Mapping():
            return {str(name): _exact(each) for name, each in value.items()}
    return value


def _read_cell(text: str, kind: str) -> object:
    match kind:
        case "N":
            return int(text) if _WHOLE.fullmatch(text) else Decimal(text)
        case "BOOL":
            if text.lower() not in {"true", "false"}:
                raise ValueError("a BOOL is true or false")
            return text.lower() == "true"
        case "M" | "L" | "SS" | "NS" | "BS":
            return json.loads(text, parse_float=Decimal)
    return text


_TYPES: Mapping[str, tuple[type[Any], ...]] = {
    "S": (str,),
    "N": (int, Decimal),
    "B": (bytes,),
    "BOOL": (bool,),
    "NULL": (type(None),),
    "M": (dict,),
    "L": (list,),
    "SS": (set,),
    "NS": (set,),
    "BS": (set,),
}
_NAMES = {
    "S": "text",
    "N": "a number",
    "B": "bytes in base64",
    "BOOL": "true or false",
    "NULL": "null",
    "M": "a map",
    "L": "a list",
    "SS": "a set of texts",
    "NS": "a set of numbers",
    "BS": "a set of bytes",
}


def _id(key: Item) -> str:
    plain = {name: _plain_number(value) for name, value in key.items()}
    return json.dumps(plain, sort_keys=True)


def _plain_number(value: Attribute) -> Attribute:
    """Return a number the one way that it is always written."""
    return {"N": str(Decimal(value["N"]).normalize())} if "N" in value else value


# errors


def _refused(part: Rows, batch: Sequence[_Write], error: ServiceError) -> StepFailed:
    number = next((at for at, code in enumerate(error.reasons) if code), 0)
    line = batch[number].row.line if number < len(batch) else 0
    return _failed(part, line, f"the seed failed: {error.what}", error.because)


def _failed(part: Rows, line: int, what: str, because: str) -> StepFailed:
    return StepFailed(
        what,
        because=because,
        try_="mend the seed and run the same command again",
        at=Location(part.path, line),
    )
