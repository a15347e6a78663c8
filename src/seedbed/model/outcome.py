"""The outcome of a run: the fold of its events.

What is done counts by the events that say so. What stays of something that failed, only the failure itself tells: an
event about progress comes too late for the first write, and too early for one that is undone.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from seedbed.errors import ExitCode, exit_code
from seedbed.model.event import (
    CopyFinished,
    DeployFinished,
    DeployProgressed,
    Event,
    Repaired,
    SeedLoaded,
    SeedProgressed,
    TargetDone,
    TargetEmptied,
    TargetFailed,
    TargetSkipped,
    WorkFinished,
)


class Result(StrEnum):
    """How it ended for one target."""

    PENDING = "pending"  # no result reported yet
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FAILED = "failed"
    SKIPPED = "skipped"


_NO_SUCCESS = frozenset({Result.PENDING, Result.FAILED, Result.SKIPPED})


class TargetOutcome(Struct, frozen=True):
    """What happened to one target; `finished` has the versions in the order in which they were recorded."""

    target: str
    result: Result = Result.PENDING
    finished: tuple[str, ...] = ()
    rows_changed: int = 0  # by seeds, those of a part that failed in its middle too
    rows_of_part: int = 0  # of them, those of the part in hand
    touched: bool = False  # something of this run stayed in the target
    updates: int = 0  # of its stack
    deferred: tuple[str, ...] = ()
    error: TargetFailed | None = None
    because: str = ""


class Outcome(Struct, frozen=True):
    """What happened to all of them."""

    targets: tuple[TargetOutcome, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether something of this run stayed anywhere."""
        return any(each.touched for each in self.targets)

    @property
    def exit_code(self) -> ExitCode:
        """The one exit code of all targets: `errors.exit_code`; 5 where there is no error and yet no good end."""
        failed = [ExitCode(each.error.exit_code) for each in self.targets if each.error]
        code = exit_code(failed, changed=self.changed)
        if code is ExitCode.DONE and any(each.result in _NO_SUCCESS for each in self.targets):
            return ExitCode.PARTIAL
        return code


def fold(events: Iterable[Event]) -> Outcome:
    """Return what `events` add up to, targets in the order of their first event."""
    targets: dict[str, TargetOutcome] = {}
    for event in events:
        targets[event.target] = _after(targets.get(event.target, TargetOutcome(event.target)), event)
    return Outcome(tuple(targets.values()))


def _after(outcome: TargetOutcome, event: Event) -> TargetOutcome:
    match event:
        case WorkFinished():
            return replace(outcome, finished=(*outcome.finished, event.version), touched=True)
        case TargetEmptied() | Repaired() | CopyFinished(verb="restore"):
            return replace(outcome, touched=True)
        case SeedProgressed():
            rows = outcome.rows_changed - outcome.rows_of_part + event.changed
            return replace(outcome, rows_changed=rows, rows_of_part=event.changed)
        case SeedLoaded():
            changed = event.inserted + event.updated
            return replace(
                outcome,
                rows_changed=outcome.rows_changed - outcome.rows_of_part + changed,
                rows_of_part=0,
                touched=outcome.touched or changed > 0,
            )
        case DeployProgressed(unit="updates", done=done):
            return replace(outcome, updates=max(outcome.updates, done), touched=outcome.touched or done > 0)
        case DeployFinished():
            return replace(outcome, updates=event.updates, touched=outcome.touched or event.updates > 0)
        case TargetDone():
            result = Result.CHANGED if outcome.touched else Result.UNCHANGED
            return replace(outcome, result=result, deferred=event.deferred)
        case TargetFailed():
            return replace(
                outcome, result=Result.FAILED, error=event, touched=outcome.touched or event.touched
            )
        case TargetSkipped():
            return replace(outcome, result=Result.SKIPPED, because=event.because)
        case _:
            return outcome
