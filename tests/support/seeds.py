"""Seeds of tests: files that are in memory, and rows that were read to their end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from seedbed.model.seed import Dataset, Row, Rows, RowSource, Script, SeedFile
from seedbed.seeding.sources import open_seed


def seed_file(path: str, data: bytes | str, *, piece: int = 1 << 20) -> SeedFile:
    """Return a file that is read `piece` bytes at a time."""
    content = data.encode() if isinstance(data, str) else data

    def read() -> Iterator[bytes]:
        for begin in range(0, len(content), piece):
            yield content[begin : begin + piece]

    return SeedFile(path, PurePosixPath(path).suffix, len(content), read)


def opened(
    path: str,
    data: bytes | str,
    *,
    platform: str = "edtech",
    scripts: tuple[str, ...] = (".sql", ".cypher"),
    piece: int = 1 << 20,
) -> RowSource | Script:
    """Return what a seed of this path and content holds."""
    return open_seed(seed_file(path, data, piece=piece), platform=platform, scripts=scripts)


def in_memory(source: RowSource) -> Rows:
    """Return `source` read to its end."""
    rows: list[Row] = []
    lines: list[int] = []
    for batch in source.batches(1_000):
        rows += batch.rows
        lines += batch.lines
    return Rows(source.path, source.table, source.columns, tuple(rows), source.key, tuple(lines))


def tables(dataset: Dataset) -> list[Rows]:
    """Return the parts of `dataset` that are rows, read to their end."""
    return [in_memory(each) for each in dataset.parts if not isinstance(each, Script)]
