"""What became of references from one database into another, and of expectations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import Meta

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.documents.expectations import ExpectationEntry
from seedbed.documents.ownership import OwnershipEntry
from seedbed.errors import Location
from seedbed.model.verification import Orphan, ReferenceResult, Verdict, Verification

_MOMENT = Meta(tz=True)


class OrphanEntry(Part, frozen=True):
    """An id that leads nowhere."""

    id: Annotated[str, says("The id.")]
    count: Annotated[int, says("How many rows hold it.")]
    rows: Annotated[tuple[str, ...], says("Keys of the first of them.")]
    since: Annotated[
        Annotated[datetime, _MOMENT] | None,
        says("When the oldest was written; null where nothing says that."),
    ]

    @classmethod
    def of(cls, orphan: Orphan) -> OrphanEntry:
        held = orphan.holders
        return cls(orphan.id, held.count, held.rows, held.since)


class ReferenceEntry(Part, frozen=True):
    """One reference."""

    from_: Annotated[
        str,
        says(
            "The field that refers: service/engine:table.column, and behind it `[column=value]` where only those rows"
            " are meant."
        ),
    ]
    to: Annotated[str, says("The field that is referred to.")]
    verdict: Annotated[
        Verdict,
        says(
            "`ok`; `broken`: ids lead nowhere, or rows have none where the reference is not optional; `tolerated`: so"
            " few that the manifest allows it; `unverified`: a field could not be read."
        ),
    ]
    ids: Annotated[int, says("How many ids were read.")]
    empty: Annotated[int, says("How many rows have none.")]
    parents: Annotated[
        int,
        says("How many ids there are to refer to; 0 where a few were looked for one by one: see `since`."),
    ]
    delayed: Annotated[int, says("How many different ids were found only after the grace.")]
    vanished: Annotated[int, says("How many were not found, and were in no row any more after the grace.")]
    orphans: Annotated[int, says("How many were not found, and are in rows to this moment.")]
    is_systemic: Annotated[bool, says("So many were not found that reading ended: none was looked up again.")]
    samples: Annotated[tuple[OrphanEntry, ...], says("The first orphans, by id.")]
    error: Annotated[ErrorEntry | None, says("Why it is unverified; null where it is not.")]
    at: Annotated[Location | None, says("Where it is declared.")]
    since: Annotated[
        Annotated[datetime, _MOMENT] | None,
        says("Only rows were read that are new since then, by the reference's time; null where all were."),
    ]

    @classmethod
    def of(cls, found: ReferenceResult, environment: str) -> ReferenceEntry:
        return cls(
            str(found.reference.from_),
            str(found.reference.to),
            found.verdict,
            found.ids,
            found.empty,
            found.parents,
            found.delayed,
            found.vanished,
            found.orphans,
            found.is_systemic,
            tuple(map(OrphanEntry.of, found.samples)),
            ErrorEntry.of(found.error, environment) if found.error else None,
            found.reference.at,
            found.since,
        )


class VerificationDocument(Document, frozen=True, kw_only=True, tag="seedbed/verification/1"):
    """Every reference and expectation that was verified, and what was found."""

    commands: ClassVar = ("verify",)

    environment: Annotated[str, says("The environment's name.")]
    units: Annotated[float, says("How many read units it took, where reads are charged.")]
    passed: Annotated[bool, says("All of them were verified, and none is broken.")]
    references: Annotated[tuple[ReferenceEntry, ...], says("In the order of the manifest.")]
    expectations: Annotated[
        tuple[ExpectationEntry, ...], says("In the order of the manifest, then those beside databases.")
    ]
    ownership: Annotated[
        tuple[OwnershipEntry, ...],
        says(
            "The databases that were looked at, in the order of their ids; empty in the sandbox and with --only."
        ),
    ]
    unkept: Annotated[
        tuple[ErrorEntry, ...],
        says(
            "Why databases do not keep what was found of them: the login may only read, perhaps. All others that were"
            " read keep it."
        ),
    ]

    @classmethod
    def of(cls, found: Verification, command: str) -> VerificationDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=found.environment,
            units=found.units,
            passed=found.is_passed,
            references=tuple(ReferenceEntry.of(each, found.environment) for each in found.references),
            expectations=tuple(ExpectationEntry.of(each, found.environment) for each in found.expectations),
            ownership=tuple(OwnershipEntry.of(each, found.environment) for each in found.ownership),
            unkept=tuple(ErrorEntry.of(each, found.environment) for each in found.unkept.values()),
        )
