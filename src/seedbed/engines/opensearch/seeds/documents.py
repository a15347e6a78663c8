"""The rows of a seed as documents of their index, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import InvalidOperation
from typing import Any

import msgspec
from msgspec import Struct

from seedbed.engines.kit.repeats import first_repeat
from seedbed.engines.opensearch.seeds import bulk
from seedbed.engines.opensearch.seeds.values import decode, encode, read_cell
from seedbed.errors import Location, StepFailed
from seedbed.model.seed import Row, RowSource
from seedbed.support.phrases import shorten

READ = 500  # rows in memory, and documents in one _mget
_LARGEST = 4 << 20  # bytes of rows compared at once


class SeedIndex(Struct, frozen=True):
    """The target of rows: an alias or an index, with the properties of its mapping."""

    name: str
    is_alias: bool
    properties: Mapping[str, Any]
    is_strict: bool


class SeedDocument(Struct, frozen=True):
    """A row as a document; None for a field that it lacks. `size`: of its JSON, in bytes."""

    id: str
    fields: Mapping[str, Any]
    line: int
    size: int


class SeedPart(Struct, frozen=True):
    """Rows, their index, and the columns that form the ids of documents."""

    source: RowSource
    index: SeedIndex
    key: tuple[str, ...]

    def chunks(self) -> Iterator[list[SeedDocument]]:
        """Yield all rows as documents, in groups to compare at once. Raises StepFailed for one that does not fit."""
        for batch in self.source.batches(READ):
            some: list[SeedDocument] = []
            size = 0
            for row, line in zip(batch.rows, batch.lines, strict=True):
                document = self._document(row, line)
                if some and size + document.size > _LARGEST:
                    yield some
                    some, size = [], 0
                some.append(document)
                size += document.size
            yield some

    def plain_documents(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield id and fields of every row. Raises StepFailed for one that does not fit."""
        for batch in self.source.batches(READ):
            for row, line in zip(batch.rows, batch.lines, strict=True):
                values = self._values(row, line)
                yield self._id(row, line), {name: each for name, each in values.items() if each is not None}

    def check(self) -> None:
        """Raise StepFailed for a row that does not fit, or has the id of another."""
        if found := first_repeat(lambda: ([document.id for document in some] for some in self.chunks())):
            raise self._same_id(*found)

    def check_first(self) -> None:
        """Raise StepFailed for a row that does not fit, of the first READ: what is wrong in all shows there."""
        next(self.chunks(), None)

    def line_of(self, id_: str) -> int:
        """Return the line of the first row with this id, 0 if there is none."""
        for batch in self.source.batches(READ):
            for row, line in zip(batch.rows, batch.lines, strict=True):
                if self._id(row, line) == id_:
                    return line
        return 0

    def failed(self, line: int, what: str, because: str) -> StepFailed:
        """Return the error about `line` (0: unknown) of the file."""
        return failed(self.source.path, line, what, because)

    def _document(self, row: Row, line: int) -> SeedDocument:
        values = self._values(row, line)
        try:
            encoded = encode(values)
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
            raise self.failed(line, "a row cannot be sent", str(error)) from None
        return SeedDocument(self._id(row, line), decode(encoded), line, len(encoded))

    def _values(self, row: Row, line: int) -> dict[str, Any]:
        """Return the fields of a row according to the mapping."""
        properties = self.index.properties
        values: dict[str, Any] = dict(zip(self.source.columns, row, strict=True))
        values.pop("_id", None)
        if not self.source.path.endswith(".csv"):
            return values
        for name, value in values.items():
            try:
                if isinstance(value, str):
                    values[name] = read_cell(value, properties.get(name, {}))
            except (ValueError, InvalidOperation) as wrong:
                raise self.failed(line, f"{_shown(name, value)} does not fit", str(wrong)) from None
        return values

    def _id(self, row: Row, line: int) -> str:
        """Return the id of a row's document: the columns of the key joined by colons."""
        given = dict(zip(self.source.columns, row, strict=True))
        words: list[str] = []
        for name in self.key:
            value = given.get(name)
            if value is None or value == "" or isinstance(value, bool | float | list | Mapping):
                what = f"{name} is empty" if value in (None, "") else f"{_shown(name, value)} is not an id"
                raise self.failed(line, what, "it is part of the id of the document")
            if len(self.key) > 1 and ":" in str(value):
                raise self.failed(
                    line, f"{_shown(name, value)} has a colon", "colons join the parts of an id"
                )
            words.append(str(value))
        found = ":".join(words)
        if len(found.encode()) > bulk.LONGEST_ID:
            because = f"OpenSearch accepts {bulk.LONGEST_ID} bytes"
            raise self.failed(line, f"the id {shorten(found, 40)} is too long", because)
        return found

    def _same_id(self, first: int, number: int) -> StepFailed:
        (row, line), (_, other) = self._row(number), self._row(first)
        because = f"line {other} has it too" if other != line else f"rows {first + 1} and {number + 1} do"
        return self.failed(line, f"two rows have the id {self._id(row, line)}", because)

    def _row(self, number: int) -> tuple[Row, int]:
        """Return row `number` and its line."""
        batch = next(each for each in self.source.batches(READ) if number < each.first + len(each.rows))
        return batch.rows[number - batch.first], batch.lines[number - batch.first]


def failed(path: str, line: int, what: str, because: str) -> StepFailed:
    """Return the error about `line` (0: unknown) of the seed `path`."""
    return StepFailed(
        what, because=because, try_="fix the seed, then run the same command again", at=Location(path, line)
    )


def _shown(name: str, value: object) -> str:
    return f"{name} = {shorten(repr(value), 40)}"
