"""Seeds: data to load, and what loading it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Protocol

from msgspec import Struct, field

from seedbed.errors import Location
from seedbed.model.migration import Source, StepText


class SeedKind(StrEnum):
    """`reference` goes everywhere, prod too; `fixture` is small and hand-made, for dev and test.

    `volume` has any size and is loaded only with `--kind volume`.
    """

    REFERENCE = "reference"
    FIXTURE = "fixture"
    VOLUME = "volume"


class SeedFile(Struct, frozen=True):
    """A seed's file, not opened yet.

    `read` yields its bytes from the beginning, some at a time, at every call; it raises SeedFileError.
    `size`: bytes, as listed.
    """

    path: str
    suffix: str
    size: int
    read: Callable[[], Iterator[bytes]]

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


Value = object  # None, bool, int, float, str, or a list or mapping of these
MISSING: Value = (
    object()
)  # in place of one: the row has no such column. Only for engines whose rows may differ
Row = tuple[Value, ...]


class Batch(Struct, frozen=True):
    """Rows that follow each other: one value per column each, `lines[i]` says where row i stands (0: unknown).

    `first`: how many rows of the source come before them.
    """

    first: int
    rows: Sequence[Row]
    lines: Sequence[int]


class RowSource(Protocol):
    """Rows of one table, upserted by `key` (empty: the engine takes the primary key), read in batches.

    What a source says of itself is known once it is opened, which reads a header or a first row and keeps none.
    `columns`: of every row, in its order; empty where there is no row to name them. `line`: where they are named
    (0: unknown). `count`: how many rows there are; None where only reading tells.
    """

    @property
    def path(self) -> str: ...

    @property
    def table(self) -> str: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def key(self) -> tuple[str, ...]: ...

    @property
    def line(self) -> int: ...

    @property
    def count(self) -> int | None: ...

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all rows in their order, `size` of them at a time; the last batch may be smaller, none is empty.

        It may be called any number of times, and reads from the beginning each time: a source is the same at every
        reading. One batch at a time is in memory, if the caller keeps none. Raises SeedFileError, after the batches
        before the row that is wrong.
        """
        ...


class Rows(Struct, frozen=True):
    """A source whose rows are in memory; `lines` may be empty where they are unknown."""

    path: str
    table: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    key: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()

    @property
    def line(self) -> int:
        first = min(self.lines, default=0)
        return max(first - 1, 1) if first and self.path.endswith(".csv") else first

    @property
    def count(self) -> int:
        return len(self.rows)

    def batches(self, size: int) -> Iterator[Batch]:
        lines = self.lines or (0,) * len(self.rows)
        for first in range(0, len(self.rows), size):
            yield Batch(first, self.rows[first : first + size], lines[first : first + size])


def is_empty(source: RowSource) -> bool:
    """Return whether `source` has no row; the first one is read."""
    return next(source.batches(1), None) is None


def location(source: RowSource, number: int) -> Location:
    """Return where row `number` stands, counted from 0; below, it is unknown. The source is read again."""
    for batch in source.batches(_SOUGHT) if number >= 0 else ():
        if number < batch.first + len(batch.lines):
            return Location(source.path, batch.lines[number - batch.first])
    return Location(source.path)


_SOUGHT = 1_000  # rows in memory while one is looked for


class Script(Struct, frozen=True):
    """A seed in the engine's own language; it has to be safe to run again."""

    path: str
    source: Source
    directives: Mapping[str, str] = field(default_factory=dict)


class Dataset(Struct, frozen=True):
    """One kind of seed of one database, opened: its parts in the order in which they are loaded."""

    kind: SeedKind
    parts: tuple[RowSource | Script, ...]


class PlannedSeed(Struct, frozen=True):
    """A seed as it is shown before it is loaded; nothing of it was run.

    `table`: what its rows go into, "" of a script. `sha256`: of its bytes, in hex. `rows`: how many; None where only
    running it tells. `text`: of a script or a program, whole.
    """

    kind: SeedKind
    path: str
    table: str
    sha256: str
    rows: int | None = None
    text: StepText | None = None

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


class Loading(Struct, frozen=True):
    """How far the load of a part is, in rows.

    `done`: compared or sent so far. `changed`: how many of these stay changed whatever happens next; 0 as long as
    the engine can still take all of it back.
    """

    part: str
    done: int
    changed: int = 0


OnLoading = Callable[[Loading], None]


def ignore_loading(_: Loading) -> None:
    """Ignore how far a load is."""


class Loaded(Struct, frozen=True):
    """What loading one part did, in rows."""

    part: str
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    @property
    def changed(self) -> int:
        return self.inserted + self.updated
