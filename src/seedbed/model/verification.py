"""What `verify` finds: of each reference which ids lead nowhere, of each expectation what contradicts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from seedbed.errors import SeedbedError
from seedbed.model.ids import Extent
from seedbed.model.platform import Expectation, Field, Reference


class Suspect(Struct, frozen=True):
    """An id that was not found.

    `rows`: keys of rows that hold it, where the engine tells them while it reads; `more`: how many others do.
    `spelled`: the texts that rows have in its place: a UUID's, in capitals or in a mixture.
    """

    id: str
    rows: tuple[str, ...] = ()
    more: int = 0
    spelled: tuple[str, ...] = ()


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
    """What is known of a reference, or of an expectation."""

    OK = "ok"
    TOLERATED = "tolerated"  # broken, by no more than it may be
    BROKEN = "broken"
    UNVERIFIED = "unverified"  # one of its databases could not be read


class ReferenceResult(Struct, frozen=True):
    """What was found of one reference. Everything but `ids`, `parents` and `empty` counts ids, each once.

    `ids`: how many were read; `empty`: rows without one; `parents`: how many ids there are to refer to. `delayed`:
    found after the grace; `vanished`: held by no row any more by then; `orphans`: still held, and not found. With
    `is_systemic`, so many were missing that reading ended: none of them was looked up again. `since`: only the rows
    were read that were written from then on; None: all.
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
    since: datetime | None = None

    @property
    def is_full(self) -> bool:
        """Whether all rows were read: what else was found says nothing of rows before `since`, nor who was deleted."""
        return self.since is None


QueryRow = Mapping[str, str | None]  # of a query: each column and its value as text, None where it has none


class ExpectationResult(Struct, frozen=True):
    """What was found of one expectation.

    `rows`: how many its query has; with `are_more` there are others, not counted. `samples`: the first of
    them. `numbers`: what the queries of an equality have, in their order. Those that lie apart, but no farther than
    they may, are tolerated.
    """

    expectation: Expectation
    verdict: Verdict
    rows: int = 0
    are_more: bool = False
    samples: Sequence[QueryRow] = ()
    numbers: Sequence[Decimal] = ()
    error: SeedbedError | None = None


class Reader(Struct, frozen=True):
    """The login of another service's database, and what it can read: how many tables, and the names of the first."""

    database: str
    login: str
    count: int
    names: tuple[str, ...]


class OwnershipResult(Struct, frozen=True):
    """Whether what is in a database is its service's alone.

    `same`: databases of others that are the same one. `readers`: logins of others that can read it. `alike`: databases
    of others on the same server that are reached with the same login: what their services may read is not known.
    """

    database: str
    verdict: Verdict
    same: tuple[str, ...] = ()
    readers: tuple[Reader, ...] = ()
    alike: tuple[str, ...] = ()
    error: SeedbedError | None = None


class FieldReading(Struct, frozen=True):
    """What there is to read of one field; with an `error`, that is not known.

    `is_looked_for`: a few ids are looked for there, one by one, and the rest is not read.
    """

    field: Field
    extent: Extent = Extent()
    error: SeedbedError | None = None
    is_looked_for: bool = False


class Reading(Struct, frozen=True):
    """What a verification would read: each field once, those that refer first."""

    environment: str
    fields: tuple[FieldReading, ...]

    @property
    def units(self) -> float:
        """About how many read units it takes."""
        return sum(each.extent.units for each in self.fields)


class Verification(Struct, frozen=True):
    """All references and expectations that were asked about, each in the order in which they are declared.

    `ownership`: of their databases, in id order, as far as it was looked at.
    `unkept`: by database, why it does not keep what was found. `units`: read units that it took, where
    reads are charged.
    """

    environment: str
    references: tuple[ReferenceResult, ...] = ()
    expectations: tuple[ExpectationResult, ...] = ()
    ownership: tuple[OwnershipResult, ...] = ()
    unkept: Mapping[str, SeedbedError] = {}
    units: float = 0.0

    @property
    def is_passed(self) -> bool:
        """Whether every one was verified and holds, but for what is tolerated, and of ownership what is not known."""
        passes = {Verdict.OK, Verdict.TOLERATED}
        is_owned = all(each.verdict is not Verdict.BROKEN for each in self.ownership)
        return is_owned and not self.errors and all(each.verdict in passes for each in self._results)

    @property
    def errors(self) -> Sequence[SeedbedError]:
        """What kept references and expectations from being verified; where nothing is declared, what kept ownership."""
        results = list(self._results) or self.ownership
        return [each.error for each in results if each.error]

    @property
    def _results(self) -> Iterator[ReferenceResult | ExpectationResult]:
        yield from self.references
        yield from self.expectations
