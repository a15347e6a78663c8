"""The rows of a seed as items of the table that they go into, one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property, partial
from typing import Any

from msgspec import Struct

from seedbed.engines.dynamodb.database import DynamoDatabase
from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.engines.dynamodb.seeds.limits import Limit, limits_of, refusal
from seedbed.engines.dynamodb.seeds.values import ABSENT, fitted, staying
from seedbed.engines.dynamodb.wire.values import Attribute, Item, to_attribute
from seedbed.engines.kit.repeats import first_repeat
from seedbed.errors import Location, SeedFileError, StepFailed, collected
from seedbed.model.seed import MISSING, Dataset, Row, RowSource, Script, is_empty, location
from seedbed.support.phrases import shorten

_EMPTY = ("", b"")
READ = 100  # rows in memory, and items in one BatchGetItem


class SeedItem(Struct, frozen=True):
    """One row as an item: `key` and `values` as attribute values; None where the item has no such attribute."""

    key: Item
    values: Mapping[str, Attribute | None]
    line: int

    @property
    def id(self) -> str:
        """The same text for the same key, however its numbers are written."""
        return item_id(self.key)


class SeedPart(Struct, frozen=True, dict=True):
    """Rows, and the table that they go into; `kinds` are the declared types of their columns, "" for none."""

    source: RowSource
    table: TableShape
    kinds: tuple[str, ...]

    @cached_property
    def is_cell(self) -> bool:
        """Whether values are the text of a .csv."""
        return self.source.path.endswith(".csv")

    @cached_property
    def to_fit(self) -> dict[tuple[type[Any], ...], tuple[tuple[str, str], ...]]:
        """For each sequence of types that a row was of: which columns have to be fitted, and to what kind."""
        return {}

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        return limits_of(self.table)

    @cached_property
    def indexed(self) -> tuple[str, ...]:
        """The attributes that are part of any key, and may be empty where they are text or bytes."""
        return tuple(sorted({name for names, _, _ in self.limits for name in names}))

    @property
    def key_names(self) -> tuple[str, ...]:
        return (*self.table.key.partition, *self.table.key.sort)

    def chunks(self) -> Iterator[list[SeedItem]]:
        """Yield all rows as items, READ at a time. Raises StepFailed naming the row that does not fit."""
        for batch in self.source.batches(READ):
            yield [self._item(row, line) for row, line in zip(batch.rows, batch.lines, strict=True)]

    def plain_items(self) -> Iterator[dict[str, Any]]:
        """Yield the Python values of every row. Raises StepFailed naming the row that does not fit."""
        for batch in self.source.batches(READ):
            for row, line in zip(batch.rows, batch.lines, strict=True):
                values = self._values(row, line)
                if None in row:
                    values = {name: value for name, value in values.items() if value is not ABSENT}
                for name in self.indexed:
                    if values.get(name) in _EMPTY:
                        raise self.failed(
                            line, f"{name} is empty", "DynamoDB takes no empty key, nor one of an index"
                        )
                yield values

    def check(self) -> None:
        """Raise StepFailed for a row that does not fit, or has the key of another."""
        if found := first_repeat(lambda: ([item.id for item in items] for items in self.chunks())):
            raise self._same_key(*found)

    def check_first(self) -> None:
        """Raise StepFailed for a row that does not fit, of the first READ: what is wrong in all shows there."""
        next(self.chunks(), None)

    def failed(self, line: int, what: str, because: str, try_: str = "") -> StepFailed:
        """Return the error about what stands in `line` (0: unknown) of the file."""
        return failed(self.source.path, line, what, because, try_)

    def _item(self, row: Row, line: int) -> SeedItem:
        found: dict[str, Attribute | None] = {}
        for name, value in self._values(row, line).items():
            try:
                found[name] = None if value is ABSENT else to_attribute(value, name)
            except StepFailed as wrong:
                raise self.failed(line, wrong.what, wrong.because) from None
        if limit := refusal({name: each for name, each in found.items() if each is not None}, self.limits):
            raise self.failed(line, *limit)
        key = {name: each for name in self.key_names if (each := found.pop(name)) is not None}
        return SeedItem(key, found, line)

    def _values(self, row: Row, line: int) -> dict[str, Any]:
        """Return values as the table declares them, ABSENT for an attribute that is not to be there.

        An attribute that the row does not have is left out, and stays what it is.
        """
        types = tuple(map(type, row))
        if (to_fit := self.to_fit.get(types)) is None:
            to_fit = self.to_fit[types] = self._to_fit(types)
        values: dict[str, Any] = dict(zip(self.source.columns, row, strict=True))
        for name, kind in to_fit:
            value = values[name]
            if value is MISSING:
                del values[name]
                continue
            try:
                values[name] = fitted(value, kind, is_cell=self.is_cell)
            except ValueError as wrong:
                what = f"{name} = {shorten(repr(value), 40)} does not fit"
                raise self.failed(line, what, str(wrong)) from None
        if None in row or len(values) < len(row):
            for name in self.key_names:
                if (value := values.get(name)) is None or value is ABSENT:
                    what = f"{name} is empty" if name in values else f"the row has no {name}"
                    raise self.failed(line, what, f"it is part of the key of {self.table.name}")
        return values

    def _to_fit(self, types: tuple[type[Any], ...]) -> tuple[tuple[str, str], ...]:
        """Return the columns whose values, of `types`, are not fit as they are, and what is declared for each."""
        columns = zip(self.source.columns, self.kinds, types, strict=True)
        is_exact = self.source.path.endswith(".json")  # its numbers are decimals, however deep they are
        return tuple(
            (name, kind)
            for name, kind, each in columns
            if each not in staying(kind, is_cell=self.is_cell, is_exact=is_exact)
        )

    def _same_key(self, first: int, number: int) -> StepFailed:
        line, other = location(self.source, number).line, location(self.source, first).line
        because = f"line {other} has it too" if other != line else f"rows {first + 1} and {number + 1} do"
        return self.failed(line, "two rows have the same key", because)


def parts_of(database: DynamoDatabase, dataset: Dataset) -> list[SeedPart]:
    """Return the parts of `dataset` with their tables. Raises all that is wrong: SeedFileError, StepFailed."""
    return collected(partial(_part, database, each) for each in dataset.parts)


def failed(path: str, line: int, what: str, because: str, try_: str = "") -> StepFailed:
    """Return the error about what stands in `line` (0: unknown) of the seed `path`."""
    return StepFailed(
        what,
        because=because,
        try_=try_ or "fix the seed and run the same command again",
        at=Location(path, line),
    )


def item_id(key: Item) -> str:
    """Return the same text for the same key, however its numbers are written."""
    return json.dumps({name: _plain_number(value) for name, value in key.items()}, sort_keys=True)


def _plain_number(value: Attribute) -> Attribute:
    """Return a number the one way that it is always written."""
    return {"N": str(Decimal(value["N"]).normalize())} if "N" in value else value


def _part(database: DynamoDatabase, source: RowSource | Script) -> SeedPart:
    if isinstance(source, Script):
        raise SeedFileError(
            "this is no seed of this engine",
            because="it loads rows: .csv, .json, .py",
            at=Location(source.path),
        )
    table = database.declared().table(source.table)
    if table is None:
        known = ", ".join(each.name for each in database.declared().tables) or "none"
        what = f"there is no table {source.table!r}"
        raise failed(source.path, 0, what, f"the tables that are declared: {known}")
    types: Mapping[str, str] = {**table.attributes, **table.key_types}
    part = SeedPart(source, table, tuple(types.get(name, "") for name in source.columns))
    _require_key(part)
    return part


def _require_key(part: SeedPart) -> None:
    """Raise StepFailed unless the rows have the key of the table."""
    source, wanted = part.source, part.key_names
    if source.key and set(source.key) != set(wanted):
        raise part.failed(
            0,
            f"the rows are declared to have the key {', '.join(source.key)}",
            f"{part.table.name} has {', '.join(wanted)}",
        )
    missing = [each for each in wanted if each not in source.columns]
    if missing and not is_empty(source):
        it_is = "it is" if len(missing) == 1 else "they are"
        what = f"the rows have no {' and no '.join(missing)}"
        raise part.failed(0, what, f"{it_is} part of the key of {part.table.name}")
