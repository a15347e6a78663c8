"""What became of expectations."""

from __future__ import annotations

from typing import Annotated

from seedbed.documents.document import Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.errors import Location
from seedbed.model.verification import ExpectationResult, Verdict


class ExpectationEntry(Part, frozen=True):
    """One expectation."""

    name: Annotated[str, says("What holds, as it is declared.")]
    at: Annotated[Location, says("Where it is declared.")]
    databases: Annotated[tuple[str, ...], says("The databases that were asked.")]
    verdict: Annotated[
        Verdict,
        says(
            "`ok`; `broken`: its query has rows, or numbers lie farther apart than they may; `tolerated`: not farther"
            " than they may; `unverified`: a query has no answer."
        ),
    ]
    rows: Annotated[int, says("How many rows its query has; 0 where numbers are compared.")]
    are_more: Annotated[bool, says("It has more, which were not counted.")]
    samples: Annotated[
        tuple[dict[str, str | None], ...],
        says("The first rows: values by column, long ones cut, null for none."),
    ]
    numbers: Annotated[tuple[str, ...], says("What is compared, in the order in which it is declared.")]
    error: Annotated[ErrorEntry | None, says("Why it is unverified; null where it is not.")]

    @classmethod
    def of(cls, found: ExpectationResult, environment: str) -> ExpectationEntry:
        expectation = found.expectation
        return cls(
            expectation.name,
            expectation.at,
            expectation.databases,
            found.verdict,
            found.rows,
            found.are_more,
            tuple(map(dict, found.samples)),
            tuple(format(each, "f") for each in found.numbers),
            ErrorEntry.of(found.error, environment) if found.error else None,
        )


class EndEntry(Part, frozen=True):
    """What a data migration expects of its end, before it is recorded as applied."""

    query: Annotated[str, says("A query that has no rows then.")]
    because: Annotated[str, says("What that means, as its author wrote it; empty where it is not said.")]
