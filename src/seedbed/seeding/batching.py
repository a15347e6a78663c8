"""Rows that come some at a time -> batches of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from seedbed.model.seed import Batch, Row


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
