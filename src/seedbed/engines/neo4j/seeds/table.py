"""The rows of one part of a dataset by column, some at a time, every value checked."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import chain
from operator import itemgetter

from msgspec import Struct

from seedbed.engines.kit.repeats import first_repeat
from seedbed.engines.neo4j.seeds.shape import Column, Nodes, Relationships, Shape, shape_of, with_key
from seedbed.engines.neo4j.seeds.values import TYPES, Unfit, fitted, is_type
from seedbed.errors import Location, SeedFileError, StepFailed
from seedbed.model.seed import Batch, RowSource, is_empty

BATCH = 5_000  # rows in memory, in one statement, and of volume in one transaction
_AT_ONCE = 1_000  # rows that stay in the processor's cache while they are turned into columns


class Chunk(Struct, frozen=True):
    """Rows that follow each other: `columns[i]` are the values of their column i, `lines` where they stand.

    `first`: how many rows come before them. Rows are numbered within the chunk, from 0.
    """

    path: str
    first: int
    columns: tuple[Sequence[object], ...]
    lines: Sequence[int]

    def __len__(self) -> int:
        return len(self.lines)

    def at(self, number: int) -> Location:
        """Return where a row stands in its file."""
        return Location(self.path, self.lines[number])

    def words(self, columns: Sequence[Column], number: int) -> str:
        """Return `slug = 'algebra'`, as a row has it."""
        return ", ".join(f"{each.name} = {self.columns[each.at][number]!r}" for each in columns)

    def chosen(self, numbers: Sequence[int]) -> Chunk:
        """Return the rows `numbers`."""
        if not numbers:
            return Chunk(self.path, self.first, tuple(() for _ in self.columns), ())
        if len(numbers) == 1:
            one = numbers[0]
            return Chunk(
                self.path, self.first, tuple((each[one],) for each in self.columns), (self.lines[one],)
            )
        take = itemgetter(*numbers)
        return Chunk(self.path, self.first, tuple(take(each) for each in self.columns), take(self.lines))


class Table(Struct, frozen=True):
    """A part of a dataset: its rows, and what they are in the graph."""

    source: RowSource
    shape: Shape
    is_empty: bool = False

    def chunks(self, size: int = BATCH) -> Iterator[Chunk]:
        """Yield all rows by column, `size` at a time. Raises StepFailed for a value that does not fit."""
        types = [each.partition(":")[2] for each in self.source.columns]
        is_cell = self.source.path.endswith(".csv")
        for batch in self.source.batches(size):
            chunk = Chunk(self.source.path, batch.first, _by_column(batch), batch.lines)
            yield _fitted(chunk, self.source.columns, types, is_cell=is_cell)

    def check(self) -> None:
        """Raise StepFailed for a value that does not fit, for a row without a key, and for two that have the same."""
        if found := first_repeat(self._keys):
            first, number = found
            raise self._same_key(first, number)

    def _keys(self) -> Iterator[Iterator[Hashable] | Sequence[Hashable]]:
        """Yield what stands for the keys of the rows, some at a time. Raises StepFailed where one has none."""
        key = self.shape.key
        for chunk in self.chunks():
            columns = [chunk.columns[each.at] for each in key]
            for each, column in zip(key, columns, strict=True):
                if None in column:
                    because = f"{each.name} is part of the key of {self.shape}, and empty here"
                    raise failed(chunk.at(column.index(None)), "a row has no key", because)
            found = [_comparable(each) for each in columns]
            yield found[0] if len(found) == 1 else zip(*found, strict=True)

    def _same_key(self, first: int, number: int) -> StepFailed:
        key = self.shape.key
        one, other = self._row(first), self._row(number)
        words = other.words(key, 0)
        hint = (
            "name in key= the property that tells relationships between the same nodes apart"
            if isinstance(self.shape, Relationships)
            else "leave one of them out"
        )
        line = one.lines[0]
        because = f"{words}, as in line {line}" if line else words
        return failed(other.at(0), "two rows have the same key", because, hint)

    def _row(self, number: int) -> Chunk:
        """Return row `number` of all."""
        found = next(each for each in self.chunks() if number < each.first + len(each))
        return found.chosen([number - found.first])


def table_of(source: RowSource) -> Table:
    """Return what `source` is in the graph; none of its values is looked at. Raises SeedFileError."""
    shape, empty = shape_of(source), is_empty(source)
    for text in source.columns:
        if ":" in text and not is_type(text.partition(":")[2]):
            raise SeedFileError(
                f"column {text!r} has a type that Neo4j does not know",
                because=f"the types are {', '.join(TYPES)}, and a list of them: string[]",
                at=Location(source.path),
            )
    return Table(source, shape, empty)


def keyed(table: Table, names: Sequence[str]) -> Table:
    """Return `table` with its nodes found by the properties `names`."""
    if not isinstance(table.shape, Nodes):
        return table
    return Table(table.source, with_key(table.shape, names), table.is_empty)


def failed(at: Location, what: str, because: str, try_: str = "") -> StepFailed:
    """Return the error about a row."""
    return StepFailed(
        what, because=because, try_=try_ or "mend the seed and run the same command again", at=at
    )


def _by_column(batch: Batch) -> tuple[Sequence[object], ...]:
    """Return the values of each column; some rows at a time, for all at once take twice as long."""
    some = [
        tuple(zip(*batch.rows[first : first + _AT_ONCE], strict=True))
        for first in range(0, len(batch.rows), _AT_ONCE)
    ]
    if len(some) == 1:
        return some[0]
    return tuple(list(chain.from_iterable(each)) for each in zip(*some, strict=True))


def _fitted(chunk: Chunk, names: Sequence[str], types: Sequence[str], *, is_cell: bool) -> Chunk:
    """Return `chunk` with values as the driver takes them. Raises StepFailed."""
    columns = []
    for name, type_, values in zip(names, types, chunk.columns, strict=True):
        try:
            columns.append(fitted(values, type_, is_cell=is_cell))
        except Unfit as wrong:
            raise failed(chunk.at(wrong.index), f"{name} does not fit", str(wrong)) from None
    return Chunk(chunk.path, chunk.first, tuple(columns), chunk.lines)


def _comparable(values: Sequence[object]) -> Sequence[Hashable]:
    """Return what stands for `values` where they are compared; themselves where they are texts, or whole numbers."""
    if len(kinds := set(map(type, values))) == 1 and kinds <= {str, int}:
        return values
    return list(map(_hashable, values))


def _hashable(value: object) -> Hashable:
    # For Python 1 is True, and 1 is 1.0; for Neo4j only the latter.
    if isinstance(value, bool):
        return ("bool", value)
    return tuple(value) if isinstance(value, list) else value
