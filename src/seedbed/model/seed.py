"""Seeds: data to load, and what loading it did."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from seedbed.model.migration import Source


class SeedKind(StrEnum):
    """`reference` goes everywhere, prod too; `fixture` is small and hand-made, for dev and test.

    `volume` is as large as anybody likes and never loaded without being asked for.
    """

    REFERENCE = "reference"
    FIXTURE = "fixture"
    VOLUME = "volume"


Value = object  # None, bool, int, float, str, or a list or mapping of these


class Rows(Struct, frozen=True):
    """Rows of one table, upserted by `key` (empty: the engine takes the primary key).

    `rows` have one value per column, in the order of `columns`; `lines[i]` is where row i stands in `path`.
    """

    path: str
    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    key: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()


class Script(Struct, frozen=True):
    """A seed in the engine's own language; it has to be safe to run again."""

    path: str
    source: Source
    facts: Mapping[str, str] = field(default_factory=dict)


class Dataset(Struct, frozen=True):
    """One kind of seed of one database, in the order in which its parts are loaded."""

    kind: SeedKind
    parts: tuple[Rows | Script, ...]


class Loaded(Struct, frozen=True):
    """What loading one part did, in rows."""

    part: str
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    @property
    def changed(self) -> int:
        return self.inserted + self.updated
