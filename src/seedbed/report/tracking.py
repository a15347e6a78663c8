"""What is known about a target while work is under way: the state that both displays are drawn from."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from msgspec import Struct, field

from seedbed.errors import ExitCode
from seedbed.model.event import (
    CopyFinished,
    CopyProgressed,
    DeployFinished,
    DeployProgressed,
    DeployStarted,
    Event,
    IdsAwaited,
    IdsRead,
    LeaseAwaited,
    QueryAsked,
    Repaired,
    SeedLoaded,
    SeedProgressed,
    TargetAwaited,
    TargetConnected,
    TargetDone,
    TargetEmptied,
    TargetFailed,
    TargetSkipped,
    WorkFinished,
    WorkProgressed,
    WorkStarted,
)
from seedbed.model.migration import Direction
from seedbed.support.phrases import count, duration, number

_WINDOW = 30.0  # seconds that a rate is measured over
_STEPS = {"step", "steps", "statement", "statements"}  # few, and each worth a line; all else comes in batches


_DELETING = "deleting"
_STOPPED = {ExitCode.INTERRUPTED, ExitCode.TERMINATED}


class Stage(Enum):
    """Where a target is."""

    WAITING = auto()  # nothing heard of it yet
    READY = auto()
    QUEUED = auto()  # waits for a lease
    WORKING = auto()
    DONE = auto()
    FAILED = auto()
    SKIPPED = auto()


class Meter(Struct):
    """How far a backfill is, how fast, and how long it still takes."""

    unit: str
    done: int = 0
    total: int = 0
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def take(self, done: int, total: int, now: float) -> None:
        self.done, self.total = done, total
        self._samples.append((now, done))
        while now - self._samples[0][0] > _WINDOW and len(self._samples) > 2:
            self._samples.popleft()

    @property
    def fraction(self) -> float | None:
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def rate(self) -> float:
        """Return units per second, 0 where nobody knows yet."""
        if len(self._samples) < 2:
            return 0.0
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        return max(0.0, (after - before) / (last - first)) if last > first else 0.0

    @property
    def left(self) -> float | None:
        """Return seconds until it is done, None where nobody knows."""
        return (self.total - self.done) / self.rate if self.total and self.rate else None

    def words(self) -> str:
        """Return `43 %  12 400 of 28 800 rows  3 100 rows/s  5.3 s left`, as far as it is known."""
        parts = []
        if self.fraction is None:
            parts.append(count(self.done, self.unit.removesuffix("s")))
        else:
            # Not rounded up: 100 % is when it is done.
            parts += [
                f"{int(self.fraction * 100)} %",
                f"{number(self.done)} of {number(self.total)} {self.unit}",
            ]
        if self.rate >= 1:
            parts.append(f"{number(round(self.rate))} {self.unit}/s")
        if self.left:
            parts.append(f"{duration(max(1.0, self.left))} left")
        return "  ".join(parts)


class Running(Struct):
    """A migration that was begun."""

    name: str
    began: float
    direction: str
    resumed: bool
    steps: int


class Track(Struct):
    """One target: where it is, what it works at. `total`: how many migrations are before it, 0 if unknown."""

    target: str
    total: int = 0
    stage: Stage = Stage.WAITING
    note: str = ""
    verdict: str = "failed"  # where it did not end well: or it was stopped
    finished: int = 0
    rows: int = 0
    seeded: bool = False
    mended: bool = False  # emptied or repaired
    copied: str = ""  # what a dump or a restore holds
    ids: int = 0  # read
    updates: int = 0  # of its stack, done
    updating: str = ""  # which of its stack's updates is under way, `1/2`
    doing: str = ""  # what it waits for, or the part of a dataset that it loads
    direction: str = Direction.UP.value
    step: int = 0
    works: dict[str, Running] = field(default_factory=dict)  # by version, the first one is at work
    meter: Meter | None = None
    began: float | None = None
    ended: float = 0.0
    spoke_at: float = 0.0
    spoke_again: bool = False
    _spoken: dict[str, float] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def take(self, event: Event, now: float) -> None:
        """Take in what `event` says."""
        if self.is_over and not isinstance(event, TargetDone | TargetFailed | TargetSkipped):
            self._begin_again()
        if self.began is None:
            self.began = now
        match event:
            case TargetConnected():
                self.stage = Stage.READY
            case TargetAwaited(waited=waited):
                self.stage, self.note = Stage.QUEUED, f"{waiting_words(event)}  {duration(waited)}"
            case LeaseAwaited(holder=holder, waited=waited):
                self.stage, self.note = Stage.QUEUED, f"waits for {holder}  {duration(waited)}"
            case WorkStarted():
                self._start(event, now)
            case WorkProgressed():
                self._progress(event, now)
            case WorkFinished(version=version, name=name, direction=direction):
                self._names[version] = name
                self.works.pop(version, None)
                self.stage, self.direction = Stage.WORKING, direction
                self.finished += 1
                self.meter, self.step = None, 0
            case DeployStarted() | DeployProgressed() | DeployFinished():
                self._deploy(event, now)
            case SeedLoaded(inserted=inserted, updated=updated):
                self.stage, self.seeded = Stage.WORKING, True
                self.rows += inserted + updated
                self.doing, self.meter = "", None
            case SeedProgressed(done=done, total=total):
                self._measure(part_words(event), "rows", done, total, now)
            case CopyProgressed(unit=unit, done=done, total=total):
                self._measure(self.doing, unit, done, total, now)
            case IdsRead(path=path, done=done, total=total, is_all=is_all):
                self._measure(f"reads {path}", "ids", done, total, now)
                self.ids += done if is_all else 0
            case IdsAwaited(path=path, count=many, seconds=seconds):
                self.stage, self.note = Stage.QUEUED, awaited_words(path, many, seconds)
            case QueryAsked(expectation=name):
                self.stage, self.doing, self.meter = Stage.WORKING, f"checks {name}", None
            case CopyFinished(verb=verb, what=what):
                self.stage, self.copied, self.meter = Stage.WORKING, f"{verb}: {what}", None
            case TargetEmptied() | Repaired():
                self.stage, self.mended = Stage.WORKING, True
            case TargetDone():
                self._end(Stage.DONE, "", now)
            case TargetFailed(error=error, exit_code=code):
                self.verdict = "stopped" if code in _STOPPED else "failed"
                self._end(Stage.FAILED, error, now)
            case TargetSkipped(because=because):
                self._end(Stage.SKIPPED, because, now)
            case _:
                if self.stage is Stage.QUEUED:
                    self.stage = Stage.READY

    def _begin_again(self) -> None:
        """Forget a round that is over: a tour of several commands tells of the same target again."""
        self.stage, self.note, self.began = Stage.READY, "", None
        self.finished, self.rows, self.seeded, self.mended = 0, 0, False, False
        self.updates, self.updating, self.doing, self.copied = 0, "", "", ""
        self.ids = 0
        self.works.clear()
        self.meter = None

    def _start(self, event: WorkStarted, now: float) -> None:
        self._names[event.version] = event.name
        self.works[event.version] = Running(event.name, now, event.direction, event.resumed, event.steps)
        self.stage, self.direction = Stage.WORKING, event.direction
        self.meter, self.step = None, 0

    def _progress(self, event: WorkProgressed, now: float) -> None:
        self.stage = Stage.WORKING
        if event.unit in _STEPS:
            self.meter, self.step = None, event.done
            return
        if self.meter is None:
            self.meter = Meter(event.unit)
            work = self.works.get(event.version)
            if work and not work.resumed:  # what a former run did is not this one's speed
                self.meter.take(0, event.total, work.began)
        self.meter.take(event.done, event.total, now)

    def _measure(self, doing: str, unit: str, done: int, total: int, now: float) -> None:
        self.stage = Stage.WORKING
        if self.meter is None or self.doing != doing:
            self.meter = Meter(unit)
        self.doing = doing
        self.meter.take(done, total, now)

    def _deploy(self, event: DeployStarted | DeployProgressed | DeployFinished, now: float) -> None:
        """A deployment is shown by what it does now; only what is counted in something has a meter."""
        self.stage = Stage.WORKING
        match event:
            case DeployStarted(updates=updates):
                self.updating = f"0/{updates}" if updates else _DELETING
            case DeployProgressed(unit=unit, what=what, update=update, done=done, total=total):
                self.doing = what
                if unit == "updates":
                    self.updating = f"{update}/{total}"
                    self.meter = None
                elif unit and total:
                    self.meter = self.meter if self.meter and self.meter.unit == unit else Meter(unit)
                    self.meter.take(done, total, now)
                else:
                    self.meter = None
            case DeployFinished(updates=updates):
                self.mended = self.updating == _DELETING
                self.updates = 0 if self.mended else updates
                self.updating, self.doing, self.meter = "", "", None

    def _end(self, stage: Stage, note: str, now: float) -> None:
        self.stage, self.note, self.ended = stage, note, now

    @property
    def is_over(self) -> bool:
        return self.stage in {Stage.DONE, Stage.FAILED, Stage.SKIPPED}

    @property
    def has_done_something(self) -> bool:
        return bool(self.finished or self.rows or self.updates)

    @property
    def current(self) -> str:
        """Return the version at work, empty if none is."""
        return next(iter(self.works), "")

    def label(self, version: str) -> str:
        name = self._names.get(version)
        return f"{version}_{name}" if name else version

    def summary(self) -> str:
        """Return what was done in the end: `14 applied  1.2 s`."""
        parts = []
        if self.finished:
            parts.append(f"{number(self.finished)} {done_word(self.direction)}")
        if self.seeded:
            parts.append(f"{count(self.rows, 'row')} changed" if self.rows else "nothing changed")
        if self.ids:
            parts.append(f"{count(self.ids, 'id')} read")
        if self.copied:
            parts.append(self.copied)
        if self.updates:
            parts.append(f"{count(self.updates, 'update')} deployed")
        if not parts:
            return "done" if self.mended else "nothing to do"
        return (
            f"{', '.join(parts)}  {duration(self.ended - (self.ended if self.began is None else self.began))}"
        )

    def may_speak(self, about: str, now: float, every: float) -> bool:
        """Return whether `every` seconds have gone since the last time that this said yes about `about`."""
        if now - self._spoken.get(about, float("-inf")) < every:
            return False
        self._spoken[about] = self.spoke_at = now
        return True


def part_words(event: SeedProgressed) -> str:
    """Return which part of a dataset is at work, and what is done with it where that is not to load it."""
    words = f"{event.dataset}  {event.part}"
    return words if event.verb == "load" else f"{words}  {event.verb}"


def waiting_words(event: TargetAwaited) -> str:
    """Return what a server is awaited for."""
    return "waits for its server to wake" if event.wakes else "no answer from its server yet"


def awaited_words(path: str, many: int, seconds: float) -> str:
    """Return what is waited for before ids are looked up again."""
    return f"{path}: {count(many, 'id')} not found, looked up again in {duration(seconds)}"


def done_word(direction: str) -> str:
    return "reverted" if direction == Direction.DOWN.value else "applied"
