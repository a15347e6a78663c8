"""What there is of a platform: environments with their stacks, who uses them, and what is collected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.documents.lifetimes import RecordEntry, moment
from seedbed.errors import SeedbedError
from seedbed.model.lifetime import Fate, Inhabited, Prospect

Done = Literal["", "counted", "marked", "collected", "postponed", "lost", "failed"]


class ThereEntry(Part, frozen=True):
    """One environment that is there, or of which something is left."""

    environment: Annotated[str, says("Its name.")]
    account: Annotated[str, says("The AWS account that it was found in.")]
    region: Annotated[str, says("The AWS region.")]
    base: Annotated[str, says("The base that it lies in; empty where it lies in none.")]
    stacks: Annotated[int, says("How many stacks it has; 0: it is left behind.")]
    unsettled: Annotated[
        tuple[str, ...], says("Those that are not complete, each with its status: `NAME DELETE_FAILED`.")
    ]
    left: Annotated[tuple[str, ...], says("What lies in its base although it has no stack any more.")]
    record: Annotated[RecordEntry | None, says("What is written down of its use; null: nothing is known.")]
    fate: Annotated[
        Fate,
        says(
            "`kept`: it is never collected. `used`: its time is not over. `uncounted`: it has no record, and its time"
            " begins when it is looked for to be collected. `unmarked`: its time is over. `marked`: it goes a day after"
            " that. `due`: it goes at the next collection."
        ),
    ]
    because: Annotated[str, says("Why that is so.")]
    goes: Annotated[str | None, says("When that changes, at the earliest; null where no time is known.")]
    former: Annotated[
        str, says("The stack of its own records, from before it lay in its base; empty where it has none.")
    ]

    @classmethod
    def of(
        cls, there: Inhabited, prospect: Prospect, account: str, region: str, unsettled: Sequence[str]
    ) -> ThereEntry:
        environment, record = there.environment, there.record or there.former
        return cls(
            there.name,
            account,
            region,
            environment.base if environment else "",
            len(there.stacks),
            tuple(unsettled),
            there.left,
            RecordEntry.of(record, environment.ttl if environment else 0.0) if record else None,
            prospect.fate,
            prospect.because,
            moment(prospect.at) if prospect.at else None,
            there.former_stack,
        )


class CollectedEntry(Part, frozen=True):
    """The outcome for one environment."""

    there: Annotated[ThereEntry, says("What there was of it.")]
    done: Annotated[
        Done,
        says(
            "`counted`: its time began. `marked`: it goes a day later. `collected`: all of it is gone. `postponed`: as"
            " many as may be were collected today. `lost`: it was used, or is collected by another, at the same time."
            " `failed`: `error` says why. Empty: nothing was to be done, or nothing was to be changed."
        ),
    ]
    error: Annotated[ErrorEntry | None, says("Why it could not be collected; null where nothing failed.")]
    stays: Annotated[
        str,
        says("The stack with the policies of its callers, where the rest was collected; empty: it has none."),
    ]

    @classmethod
    def of(
        cls, there: ThereEntry, done: Done, error: SeedbedError | None, callers: str = ""
    ) -> CollectedEntry:
        """`callers`: the stack with the policies of its callers."""
        stays = callers if done == "collected" else ""
        return cls(there, done, ErrorEntry.of(error, there.environment) if error else None, stays)


class CollectionDocument(Document, frozen=True, kw_only=True, tag="seedbed/collection/1"):
    """What was collected, or would be."""

    commands: ClassVar = ("env gc",)

    dry_run: Annotated[bool, says("Nothing was changed.")]
    most: Annotated[int, says("How many environments are collected a day, at most.")]
    environments: Annotated[
        tuple[CollectedEntry, ...], says("All that are there, in the order of their marks.")
    ]
    errors: Annotated[tuple[ErrorEntry, ...], says("Why an account could not be looked at.")]
    told: Annotated[
        tuple[str, ...],
        says("The topics that were told, by their ARNs; none where there was nothing to tell."),
    ]
    warnings: Annotated[
        tuple[ErrorEntry, ...],
        says("What did not keep anything from being collected: who could not be told."),
    ]

    @classmethod
    def of(
        cls,
        collected: Iterable[CollectedEntry],
        errors: Iterable[SeedbedError],
        *,
        most: int,
        dry_run: bool,
        command: str,
        told: Iterable[str] = (),
        warnings: Iterable[SeedbedError] = (),
    ) -> CollectionDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            dry_run=dry_run,
            most=most,
            environments=tuple(collected),
            errors=tuple(map(ErrorEntry.of, errors)),
            told=tuple(told),
            warnings=tuple(map(ErrorEntry.of, warnings)),
        )
