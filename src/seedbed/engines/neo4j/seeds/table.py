"""The rows of one part of a dataset by column, some at a time, every value checked."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from operator import itemgetter

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.kit.repeats import first_repeat
from seedbed.engines.neo4j.seeds.shape import (
    NodeShape,
    RelationshipShape,
    SeedColumn,
    Shape,
    shape_of,
    with_key,
)
from seedbed.engines.neo4j.seeds.values import TYPES, InvalidValue, fitted, is_type
from seedbed.errors import Location, SeedFileError, StepFailed
from seedbed.model.seed import RowSource, is_empty

BATCH = 5_000  # rows in memory, in one statement, and of volume in one transaction


class RowChunk(Struct, frozen=True):
    """Rows that follow each other: `columns[i]` are the values of their column i, `lines` where they are in the file.

    `first`: how many rows come before them. Rows are numbered within the chunk, from 0.
    """

    path: str
    first: int
    columns: tuple[Sequence[object], ...]
    lines: Sequence[int]

    def __len__(self) -> int:
        return len(self.lines)

    def at(self, number: int) -> Location:
        """Return the location of a row in its file."""
        return Location(self.path, self.lines[number])

    def words(self, columns: Sequence[SeedColumn], number: int) -> str:
        """Return `slug = 'algebra'`, as a row has it."""
        return ", ".join(f"{each.name} = {self.columns[each.at][number]!r}" for each in columns)

    def chosen(self, numbers: Sequence[int]) -> RowChunk:
        """Return the rows `numbers`."""
        if not numbers:
            return RowChunk(self.path, self.first, tuple(() for _ in self.columns), ())
        if len(numbers) == 1:
            one = numbers[0]
            return RowChunk(
                self.path, self.first, tuple((each[one],) for each in self.columns), (self.lines[one],)
            )
        take = itemgetter(*numbers)
        return RowChunk(self.path, self.first, tuple(take(each) for each in self.columns), take(self.lines))


class GraphTable(Struct, frozen=True):
    """A part of a dataset: its rows, and what they are in the graph.

    `converted`: the columns with values that have to be converted for the driver; None where any of them may.
    """

    source: RowSource
    shape: Shape
    is_empty: bool = False
    converted: frozenset[int] | None = None

    def chunks(self, size: int = BATCH) -> Iterator[RowChunk]:
        """Yield all rows by column, `size` at a time. Raises StepFailed for a value that does not fit."""
        return map(self._fitted, self._raw(size))

    def checked(self) -> GraphTable:
        """Return the table with the columns that need conversion, so that the others are not checked again.

        Raises StepFailed for a value that does not fit, for a row without a key, and for two that have the same.
        """
        converted: set[int] = set()

        def keys() -> Iterator[Iterable[Hashable]]:
            for raw in self._raw(BATCH):
                chunk = self._fitted(raw)
                pairs = zip(raw.columns, chunk.columns, strict=True)
                converted.update(at for at, (before, after) in enumerate(pairs) if after is not before)
                yield self._keys(chunk)

        if found := first_repeat(keys):
            raise self._same_key(*found)
        return replace(self, converted=frozenset(converted))

    def _raw(self, size: int) -> Iterator[RowChunk]:
        columns = range(len(self.source.columns))
        for batch in self.source.batches(size):
            values = tuple(list(map(itemgetter(at), batch.rows)) for at in columns)
            yield RowChunk(self.source.path, batch.first, values, batch.lines)

    def _fitted(self, chunk: RowChunk) -> RowChunk:
        """Return `chunk` with values as the driver takes them. Raises StepFailed."""
        is_cell = self.source.path.endswith(".csv")
        columns = list(chunk.columns)
        for at in range(len(columns)) if self.converted is None else self.converted:
            name = self.source.columns[at]
            try:
                columns[at] = fitted(columns[at], name.partition(":")[2], is_cell=is_cell)
            except InvalidValue as wrong:
                raise failed(chunk.at(wrong.index), f"{name} does not fit", str(wrong)) from None
        return RowChunk(chunk.path, chunk.first, tuple(columns), chunk.lines)

    def _keys(self, chunk: RowChunk) -> Iterable[Hashable]:
        """Return the comparable keys of the rows. Raises StepFailed where one has none."""
        key = self.shape.key
        columns = [chunk.columns[each.at] for each in key]
        for each, column in zip(key, columns, strict=True):
            if None in column:
                because = f"{each.name} is part of the key of {self.shape}, and empty here"
                raise failed(chunk.at(column.index(None)), "a row has no key", because)
        found = [_comparable(each) for each in columns]
        return found[0] if len(found) == 1 else zip(*found, strict=True)

    def _same_key(self, first: int, number: int) -> StepFailed:
        key = self.shape.key
        one, other = self._row(first), self._row(number)
        words = other.words(key, 0)
        hint = (
            "name in key= the property that distinguishes relationships between the same nodes"
            if isinstance(self.shape, RelationshipShape)
            else "leave one of them out"
        )
        line = one.lines[0]
        is_apart = bool(line) and line != other.lines[0]  # a program yields many rows from one line
        because = f"{words}, {f'as in line {line}' if is_apart else f'in rows {first + 1} and {number + 1}'}"
        return failed(other.at(0), "two rows have the same key", because, hint)

    def _row(self, number: int) -> RowChunk:
        """Return row `number` of all."""
        found = next(each for each in self.chunks() if number < each.first + len(each))
        return found.chosen([number - found.first])


def table_of(source: RowSource) -> GraphTable:
    """Return what `source` is in the graph; its values are not checked yet. Raises SeedFileError."""
    shape, empty = shape_of(source), is_empty(source)
    for text in source.columns:
        if ":" in text and not is_type(text.partition(":")[2]):
            raise SeedFileError(
                f"column {text!r} has a type that Neo4j does not know",
                because=f"the types are {', '.join(TYPES)}, and a list of them: string[]",
                at=Location(source.path),
            )
    return GraphTable(source, shape, empty)


def keyed(table: GraphTable, names: Sequence[str]) -> GraphTable:
    """Return `table` with its nodes found by the properties `names`."""
    if not isinstance(table.shape, NodeShape):
        return table
    return replace(table, shape=with_key(table.shape, names))


def failed(at: Location, what: str, because: str, try_: str = "") -> StepFailed:
    """Return the error about a row."""
    return StepFailed(
        what, because=because, try_=try_ or "fix the seed and run the same command again", at=at
    )


def _comparable(values: Sequence[object]) -> Sequence[Hashable]:
    """Return `values` in comparable form; unchanged where they are strings, or integers."""
    if len(kinds := set(map(type, values))) == 1 and kinds <= {str, int}:
        return values
    return list(map(_hashable, values))


def _hashable(value: object) -> Hashable:
    # For Python 1 is True, and 1 is 1.0; for Neo4j only the latter.
    if isinstance(value, bool):
        return ("bool", value)
    return tuple(value) if isinstance(value, list) else value
