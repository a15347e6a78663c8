"""Rows that come some at a time -> batches of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from seedbed.model.seed import Batch, Row


class UncountedRows(Struct, frozen=True):
    """The part of a `RowSource` that is the same where only reading tells how many rows there are."""

    @property
    def count(self) -> None:
        return None

    def batches(self, size: int) -> Iterator[Batch]:
        return batched(self._blocks(), size)

    def _blocks(self) -> Iterator[tuple[Sequence[Row], Sequence[int]]]:
        """Yield all rows with their lines, some at a time, from the beginning. Raises SeedFileError."""
        raise NotImplementedError


def batched(blocks: Iterable[tuple[Sequence[Row], Sequence[int]]], size: int) -> Iterator[Batch]:
    """Yield the rows of `blocks`, which are (rows, their lines), in batches of `size`; the last may be smaller."""
    rows: list[Row] = []
    lines: list[int] = []
    first = 0
    for more, numbers in blocks:
        rows += more
        lines += numbers
        at = 0
        while len(rows) - at >= size:
            yield Batch(first + at, rows[at : at + size], lines[at : at + size])
            at += size
        if at:
            del rows[:at], lines[:at]
            first += at
    if rows:
        yield Batch(first, rows, lines)
