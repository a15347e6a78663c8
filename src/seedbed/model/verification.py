"""What `verify` finds: of each reference from one database into another, which ids lead nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from seedbed.errors import SeedbedError
from seedbed.model.platform import Reference


class Suspect(Struct, frozen=True):
    """An id that was not found.

    `rows`: keys of rows that hold it, where the engine tells them while it reads; `more`: how many others do.
    """

    id: str
    rows: tuple[str, ...] = ()
    more: int = 0


class Holders(Struct, frozen=True):
    """The rows that hold an id now: how many, the keys of the first, and when the oldest was written, if known."""

    count: int
    rows: tuple[str, ...] = ()
    since: datetime | None = None


class Orphan(Struct, frozen=True):
    """An id that leads nowhere, and the rows that hold it."""

    id: str
    holders: Holders


class Verdict(StrEnum):
    """What is known of a reference."""

    OK = "ok"
    TOLERATED = "tolerated"  # broken, by no more than it may be
    BROKEN = "broken"
    UNVERIFIED = "unverified"  # one of its databases could not be read


class ReferenceResult(Struct, frozen=True):
    """What was found of one reference. Everything but `ids`, `parents` and `empty` counts ids, each once.

    `ids`: how many were read; `empty`: rows without one; `parents`: how many ids there are to refer to. `delayed`:
    found after the grace; `vanished`: held by no row any more by then; `orphans`: still held, and not found. With
    `is_systemic`, so many were missing that reading ended: none of them was looked up again.
    """

    reference: Reference
    verdict: Verdict
    ids: int = 0
    empty: int = 0
    parents: int = 0
    delayed: int = 0
    vanished: int = 0
    orphans: int = 0
    is_systemic: bool = False
    samples: Sequence[Orphan] = ()
    error: SeedbedError | None = None


class Verification(Struct, frozen=True):
    """All references that were asked about, in the manifest's order."""

    environment: str
    references: tuple[ReferenceResult, ...]

    @property
    def is_passed(self) -> bool:
        """Whether every reference was verified and leads somewhere, but for what is tolerated."""
        return all(each.verdict in {Verdict.OK, Verdict.TOLERATED} for each in self.references)
