"""What a command did to databases, and the events that this is the sum of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from msgspec import Meta

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.errors import ExitCode
from seedbed.model.event import (
    EVENT_FORMAT,
    AnyEvent,
    CopyProgressed,
    DeployProgressed,
    Event,
    LeaseAwaited,
    SeedProgressed,
    TargetAwaited,
    WorkProgressed,
)
from seedbed.model.outcome import Outcome, Result, TargetOutcome


class TargetEntry(Part, frozen=True):
    """What happened to one target."""

    target: Annotated[str, says("The database's id; of a deployment, the name of a stack that holds none.")]
    result: Annotated[
        Result,
        says(
            "`changed`, `unchanged`, `failed`, `skipped` because of another target, or `pending`: the run ended without"
            " a result for it."
        ),
    ]
    finished: Annotated[tuple[str, ...], says("Versions, in the order in which they were recorded.")]
    rows_changed: Annotated[int, says("Rows that a seed inserted or updated.")]
    touched: Annotated[bool, says("Something of this run stayed.")]
    updates: Annotated[int, says("How many updates of its stack a deployment made.")]
    deferred: Annotated[tuple[str, ...], says("Versions that wait for a later gate.")]
    because: Annotated[str, says("Why it was skipped.")]
    error: Annotated[ErrorEntry | None, says("What failed; null where nothing did.")]

    @classmethod
    def of(cls, outcome: TargetOutcome) -> TargetEntry:
        return cls(
            outcome.target,
            outcome.result,
            outcome.finished,
            outcome.rows_changed,
            outcome.touched,
            outcome.updates,
            outcome.deferred,
            outcome.because,
            ErrorEntry.of_event(outcome.error) if outcome.error else None,
        )


class OutcomeDocument(Document, frozen=True, kw_only=True, tag="seedbed/outcome/1"):
    """What happened, target by target, and the events that it is the sum of."""

    commands: ClassVar = (
        "apply",
        "revert",
        "seed",
        "reset",
        "repair",
        "deploy",
        "destroy",
        "dump",
        "restore",
    )

    exit_code: Annotated[ExitCode, says("The exit code of the process.")]
    changed: Annotated[bool, says("Something of this run stayed, on any target.")]
    targets: Annotated[tuple[TargetEntry, ...], says("In the order of their first events.")]
    event_format: Annotated[
        int, Meta(description="The version of the events' fields.", extra_json_schema={"const": EVENT_FORMAT})
    ]
    events: Annotated[
        tuple[AnyEvent, ...],
        says(
            "What happened, in order. Of each run of progress in one work, part, copy or wait, only the last is kept."
        ),
    ]

    @classmethod
    def of(cls, outcome: Outcome, events: Iterable[Event], command: str) -> OutcomeDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            exit_code=outcome.exit_code,
            changed=outcome.changed,
            targets=tuple(TargetEntry.of(each) for each in outcome.targets),
            event_format=EVENT_FORMAT,
            events=tuple(without_ticks(events)),
        )


def without_ticks(events: Iterable[Event]) -> list[Event]:
    """Return `events`, of each run of progress in one work, part or copy, or of waiting for one lease, only the last.

    A backfill tells of every batch, and a table may have a million of them.
    """
    kept: dict[tuple[object, ...], Event] = {}
    turn: dict[str, int] = {}  # by target: counts what is no tick, and so tells runs of ticks apart
    for number, event in enumerate(events):
        if isinstance(event, WorkProgressed):
            key: tuple[object, ...] = (event.target, turn.get(event.target, 0), event.version, event.unit)
        elif isinstance(event, DeployProgressed):
            key = (event.target, turn.get(event.target, 0), event.update, event.unit)
        elif isinstance(event, SeedProgressed):
            key = (event.target, turn.get(event.target, 0), event.dataset, event.part)
        elif isinstance(event, CopyProgressed):
            key = (event.target, turn.get(event.target, 0), event.verb, event.unit)
        elif isinstance(event, LeaseAwaited):
            key = (event.target, turn.get(event.target, 0), "lease")
        elif isinstance(event, TargetAwaited):
            key = (event.target, turn.get(event.target, 0), "server")
        else:
            key = (number,)
            turn[event.target] = number + 1
        kept.pop(key, None)  # the last one stands where it happened
        kept[key] = event
    return list(kept.values())
