"""What databases keep of `verify`, from run to run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import Meta

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.errors import SeedbedError
from seedbed.model.verification import Verdict
from seedbed.model.verified import ClaimHistory, Stretch

_MOMENT = Meta(tz=True)


class StretchEntry(Part, frozen=True):
    """Runs one after the other that came to the same verdict."""

    verdict: Annotated[Verdict, says("As in the document of `verify`.")]
    first: Annotated[Annotated[datetime, _MOMENT], says("When the first of them was kept.")]
    last: Annotated[Annotated[datetime, _MOMENT], says("When the last of them was kept.")]
    runs: Annotated[int, says("How many there are; of earlier days, the last of each is kept.")]
    wrong: Annotated[int, says("How many ids or rows the last of them found wrong.")]

    @classmethod
    def of(cls, found: Stretch) -> StretchEntry:
        return cls(found.verdict, found.first, found.last, found.runs, found.wrong)


class ClaimEntry(Part, frozen=True):
    """One reference or expectation."""

    name: Annotated[str, says("The two fields of a reference, the name of an expectation.")]
    stretches: Annotated[
        tuple[StretchEntry, ...],
        says(
            "What was found of it, the latest first: it changed between two of them. Empty: never verified."
        ),
    ]

    @classmethod
    def of(cls, found: ClaimHistory) -> ClaimEntry:
        return cls(found.name, tuple(map(StretchEntry.of, found.stretches)))


class VerifiedDocument(Document, frozen=True, kw_only=True, tag="seedbed/verified/1"):
    """What databases keep of `verify`: since when each reference and expectation holds, or is broken."""

    commands: ClassVar = ("verify",)

    environment: Annotated[str, says("The environment's name.")]
    claims: Annotated[tuple[ClaimEntry, ...], says("References, then expectations, as they are declared.")]
    unread: Annotated[
        tuple[ErrorEntry, ...], says("Why databases could not be asked; others may know as much.")
    ]

    @classmethod
    def of(
        cls,
        environment: str,
        claims: tuple[ClaimHistory, ...],
        unread: Mapping[str, SeedbedError],
        command: str,
    ) -> VerifiedDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=environment,
            claims=tuple(map(ClaimEntry.of, claims)),
            unread=tuple(ErrorEntry.of(each, environment) for each in unread.values()),
        )
