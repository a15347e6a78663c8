"""The outcome of a run: the fold of its events, and the exit code it deserves."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from seedbed.errors import ExitCode
from seedbed.model.event import (
    CopyFinished,
    CopyProgressed,
    DeployFinished,
    DeployProgressed,
    Event,
    Repaired,
    SeedLoaded,
    TargetDone,
    TargetEmptied,
    TargetFailed,
    TargetSkipped,
    WorkFinished,
    WorkProgressed,
)


class Result(StrEnum):
    """How it ended for one target."""

    PENDING = "pending"  # no word of an end yet
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FAILED = "failed"
    SKIPPED = "skipped"


class TargetOutcome(Struct, frozen=True):
    """What happened to one target; `finished` holds versions in the order in which they were recorded."""

    target: str
    result: Result = Result.PENDING
    finished: tuple[str, ...] = ()
    rows_changed: int = 0
    touched: bool = False  # something of this run stayed in the target
    updates: int = 0  # of its stack
    held: tuple[str, ...] = ()
    error: TargetFailed | None = None
    because: str = ""


class Outcome(Struct, frozen=True):
    """What happened to all of them."""

    targets: tuple[TargetOutcome, ...] = ()

    @property
    def changed(self) -> bool:
        return any(each.touched for each in self.targets)

    @property
    def exit_code(self) -> ExitCode:
        return exit_code(self.targets)


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
        case WorkProgressed() | TargetEmptied() | Repaired():
            return replace(outcome, touched=True)
        case CopyProgressed(verb="restore") | CopyFinished(verb="restore"):
            return replace(outcome, touched=True)
        case SeedLoaded():
            changed = event.inserted + event.updated
            return replace(
                outcome, rows_changed=outcome.rows_changed + changed, touched=outcome.touched or changed > 0
            )
        case DeployProgressed(unit="updates", done=done):
            return replace(outcome, updates=max(outcome.updates, done), touched=outcome.touched or done > 0)
        case DeployFinished():
            return replace(outcome, updates=event.waves, touched=outcome.touched or event.waves > 0)
        case TargetDone():
            result = Result.CHANGED if outcome.touched else Result.UNCHANGED
            return replace(outcome, result=result, held=event.held)
        case TargetFailed():
            return replace(outcome, result=Result.FAILED, error=event)
        case TargetSkipped():
            return replace(outcome, result=Result.SKIPPED, because=event.because)
        case _:
            return outcome


def exit_code(targets: Iterable[TargetOutcome]) -> ExitCode:
    """Return one exit code for all targets.

    All well: 0. Interrupted: 130 or 143. Something changed anywhere and something else did not succeed, or an
    outcome is unknown: 5. Otherwise nothing was changed, and the gravest of the errors' own codes speaks:
    a bug, then a failed step, a refusal, a wrong call, an unreachable target.
    """
    known = tuple(targets)
    codes = [ExitCode(each.error.exit_code) for each in known if each.error]
    if not codes:
        return ExitCode.PARTIAL if any(each.result is Result.SKIPPED for each in known) else ExitCode.DONE
    for stop in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
        if stop in codes:
            return stop
    if ExitCode.PARTIAL in codes or any(each.touched for each in known):
        return ExitCode.PARTIAL
    gravest = (ExitCode.BUG, ExitCode.FAILED, ExitCode.REFUSED, ExitCode.USAGE, ExitCode.UNAVAILABLE)
    return next(code for code in (*gravest, *codes) if code in codes)
