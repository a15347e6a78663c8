"""The rows of one part of a dataset by column, every value checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from msgspec import Struct

from seedbed.engines.neo4j.rows.shape import Column, Nodes, Relationships, Shape, shape_of, with_key
from seedbed.engines.neo4j.rows.values import TYPES, Unfit, fitted, is_type
from seedbed.errors import Location, SeedFileError, StepFailed
from seedbed.model.seed import Rows

BATCH = 5_000  # rows in one statement, and of volume in one transaction
_AT_ONCE = 1_000  # rows that stay in the processor's cache while they are turned into columns

Chunk = tuple[Sequence[object], ...]  # one sequence of values per column, all of one length


class Table(Struct, frozen=True):
    """A part of a dataset: `columns[i]` are all values of the rows' column i."""

    rows: Rows
    shape: Shape
    columns: tuple[Sequence[object], ...]

    def __len__(self) -> int:
        return len(self.rows.rows)

    def chunks(self, size: int) -> Iterator[tuple[int, Chunk]]:
        """Yield (number of the first row, values by column) for `size` rows at a time."""
        for first in range(0, len(self), size):
            yield first, tuple(column[first : first + size] for column in self.columns)

    def at(self, number: int) -> Location:
        """Return where row `number`, counted from 0, stands in its file."""
        lines = self.rows.lines
        return Location(self.rows.path, lines[number] if number < len(lines) else 0)

    def words(self, columns: Sequence[Column], number: int) -> str:
        """Return `slug = 'algebra'`, as row `number` has it."""
        return ", ".join(f"{each.name} = {self.columns[each.at][number]!r}" for each in columns)


def chosen(chunk: Chunk, numbers: Sequence[int]) -> Chunk:
    """Return the rows `numbers` of a chunk."""
    if not numbers:
        return tuple(() for _ in chunk)
    if len(numbers) == 1:
        return tuple((column[numbers[0]],) for column in chunk)
    take = itemgetter(*numbers)
    return tuple(take(column) for column in chunk)


def table_of(rows: Rows) -> Table:
    """Return `rows` by column. Raises SeedFileError, StepFailed with file and line."""
    shape = shape_of(rows)
    is_cell = rows.path.endswith(".csv")
    by_column = _by_column(rows)
    bare = Table(rows, shape, by_column)
    columns = []
    for at, (text, values) in enumerate(zip(rows.columns, by_column, strict=True)):
        type_ = text.partition(":")[2]
        if ":" in text and not is_type(type_):
            raise SeedFileError(
                f"column {text!r} has a type that Neo4j does not know",
                because=f"the types are {', '.join(TYPES)}, and a list of them: string[]",
                at=Location(rows.path),
            )
        try:
            columns.append(fitted(values, type_, is_cell=is_cell))
        except Unfit as wrong:
            raise _failed(bare, wrong.index, f"{rows.columns[at]} does not fit", str(wrong)) from None
    return Table(rows, shape, tuple(columns))


def _by_column(rows: Rows) -> tuple[Sequence[object], ...]:
    """Return the values of each column; some rows at a time, for all at once take twice as long."""
    columns: tuple[list[object], ...] = tuple([] for _ in rows.columns)
    for first in range(0, len(rows.rows), _AT_ONCE):
        for column, values in zip(
            columns, zip(*rows.rows[first : first + _AT_ONCE], strict=True), strict=True
        ):
            column.extend(values)
    return columns


def keyed(table: Table, names: Sequence[str]) -> Table:
    """Return `table` with its nodes found by the properties `names`."""
    if not isinstance(table.shape, Nodes):
        return table
    return Table(table.rows, with_key(table.shape, names), table.columns)


def insist_on_keys(table: Table) -> None:
    """Raise StepFailed where a row has no key, or two have the same."""
    key = table.shape.key
    for each in key:
        if (number := _first_null(table.columns[each.at])) >= 0:
            because = f"{each.name} is part of the key of {table.shape}, and empty here"
            raise _failed(table, number, "a row has no key", because)
    found = [_comparable(table.columns[each.at]) for each in key]
    if len(set(found[0] if len(found) == 1 else zip(*found, strict=True))) == len(table):
        return
    keys = list(zip(*found, strict=True))
    seen: dict[object, int] = {}
    for number, value in enumerate(keys):
        if (first := seen.setdefault(value, number)) != number:
            line = table.at(first).line
            because = f"{table.words(key, number)}, as in line {line}" if line else table.words(key, number)
            hint = (
                "name in key= the property that tells relationships between the same nodes apart"
                if isinstance(table.shape, Relationships)
                else "leave one of them out"
            )
            raise _failed(table, number, "two rows have the same key", because, hint)


def _first_null(values: Sequence[object]) -> int:
    return values.index(None) if None in values else -1


def _comparable(values: Sequence[object]) -> Sequence[object]:
    """Return what stands for `values` where they are compared; themselves where they are texts, or whole numbers."""
    if len(kinds := set(map(type, values))) == 1 and kinds <= {str, int}:
        return values
    return list(map(_hashable, values))


def _hashable(value: object) -> object:
    # For Python 1 is True, and 1 is 1.0; for Neo4j only the latter.
    if isinstance(value, bool):
        return ("bool", value)
    return tuple(value) if isinstance(value, list) else value


def _failed(table: Table, number: int, what: str, because: str, try_: str = "") -> StepFailed:
    return StepFailed(
        what,
        because=because,
        try_=try_ or "mend the seed and run the same command again",
        at=table.at(number),
    )
