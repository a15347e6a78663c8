"""What happened, as data. Everything a person or a machine is shown is made from these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from msgspec import Struct

from seedbed.errors import SeedbedError

EVENT_FORMAT = 1  # of events as JSON; raised when a field changes its meaning or goes away


class Event(Struct, frozen=True):
    """Something that happened to one target; `kind` names it in JSON."""

    kind: ClassVar[str] = "event"
    target: str


class TargetReached(Event, frozen=True):
    """A connection stands; `server` says what answered (`PostgreSQL 18.6`)."""

    kind: ClassVar[str] = "target_reached"
    server: str


class LeaseAwaited(Event, frozen=True):
    """Another run holds the lease; told about once a second while we wait. `waited` in seconds."""

    kind: ClassVar[str] = "lease_awaited"
    holder: str
    waited: float


class TakenOver(Event, frozen=True):
    """A vanished owner's work was still running on the server and was ended: `work` in words."""

    kind: ClassVar[str] = "taken_over"
    work: str


class TargetStamped(Event, frozen=True):
    """The target had no identity and got one."""

    kind: ClassVar[str] = "target_stamped"
    identity: str


class WorkStarted(Event, frozen=True):
    """A migration begins, or goes on where a former run left it (`resumed`)."""

    kind: ClassVar[str] = "work_started"
    version: str
    name: str
    direction: str
    steps: int = 1
    resumed: bool = False


class WorkProgressed(Event, frozen=True):
    """A step or a batch is done. `done` of `total` in `unit` (total 0: not known)."""

    kind: ClassVar[str] = "work_progressed"
    version: str
    done: int
    total: int
    unit: str
    summary: str = ""


class StepProbed(Event, frozen=True):
    """A step with an unknown outcome was looked up in the catalogue; `verdict` says what was found and done."""

    kind: ClassVar[str] = "step_probed"
    version: str
    step: int
    verdict: str


class Retrying(Event, frozen=True):
    """A step gave way (a lock, a deadlock) and is tried again after `delay` seconds."""

    kind: ClassVar[str] = "retrying"
    version: str
    because: str
    attempt: int
    delay: float


class WorkFinished(Event, frozen=True):
    """A migration is applied or reverted and recorded."""

    kind: ClassVar[str] = "work_finished"
    version: str
    name: str
    direction: str
    seconds: float


class SeedProgressed(Event, frozen=True):
    """The load of a part goes on: `done` of `total` rows (0: not known).

    `changed`: how many of them stay changed whatever happens next.
    """

    kind: ClassVar[str] = "seed_progressed"
    dataset: str
    part: str
    done: int
    total: int
    changed: int


class SeedLoaded(Event, frozen=True):
    """One part of a dataset is loaded; the numbers are rows."""

    kind: ClassVar[str] = "seed_loaded"
    dataset: str
    part: str
    inserted: int
    updated: int
    unchanged: int


class Noticed(Event, frozen=True):
    """The server said something worth reading (a NOTICE, a WARNING)."""

    kind: ClassVar[str] = "noticed"
    version: str
    severity: str
    text: str


class TargetEmptied(Event, frozen=True):
    """`reset` removed everything; `what` in words."""

    kind: ClassVar[str] = "target_emptied"
    what: str


class Repaired(Event, frozen=True):
    """A person's decision was written into the history and its audit."""

    kind: ClassVar[str] = "repaired"
    version: str
    decision: str


class CopyProgressed(Event, frozen=True):
    """A copy of the target's data goes on: `done` of `total` in `unit` (0: not known). `verb`: dump or restore."""

    kind: ClassVar[str] = "copy_progressed"
    verb: str
    done: int
    total: int
    unit: str


class CopyFinished(Event, frozen=True):
    """A copy is whole: `what` it holds, in words, and the `file` it is in."""

    kind: ClassVar[str] = "copy_finished"
    verb: str
    what: str
    file: str


class DeployStarted(Event, frozen=True):
    """A stack's updates begin: `waves` of them (0: it is destroyed), `changes` in words.

    `resumed`: a former run began them, and what it left under way was followed to its end.
    """

    kind: ClassVar[str] = "deploy_started"
    stack: str
    waves: int
    changes: tuple[str, ...] = ()
    resumed: bool = False


class DeployProgressed(Event, frozen=True):
    """A deployment goes on: `what` says what happens or is waited for; `done` of `total` in `unit` (0: not known).

    `wave` counts from 1; 0 is what comes before the first update that this run makes. In `updates` it is told when
    one begins (`done`: those before it) and when it is made (`done`: with it).
    """

    kind: ClassVar[str] = "deploy_progressed"
    stack: str
    wave: int
    what: str
    done: int = 0
    total: int = 0
    unit: str = ""


class DeployFinished(Event, frozen=True):
    """A stack is as it should be (or gone, where it was destroyed). `waves`: how many updates that took."""

    kind: ClassVar[str] = "deploy_finished"
    stack: str
    waves: int
    seconds: float


class TargetDone(Event, frozen=True):
    """All that was to be done on the target is done; `held` versions wait behind the gate."""

    kind: ClassVar[str] = "target_done"
    held: tuple[str, ...] = ()


class TargetFailed(Event, frozen=True):
    """Work on the target ended early. `exit_code` is the error's own."""

    kind: ClassVar[str] = "target_failed"
    error: str
    because: str
    try_: str
    at: str
    exit_code: int
    version: str = ""


class TargetSkipped(Event, frozen=True):
    """Nothing more was done on the target, because of another one."""

    kind: ClassVar[str] = "target_skipped"
    because: str
    versions: tuple[str, ...] = ()


def failure(target: str, error: SeedbedError, version: str = "") -> TargetFailed:
    """Return `error` as the event that ends the work on `target`."""
    return TargetFailed(
        target,
        error.what,
        error.because,
        error.try_,
        str(error.at) if error.at else "",
        int(error.exit_code),
        version,
    )


KINDS: tuple[type[Event], ...] = tuple(Event.__subclasses__())  # all that there are; tests may add their own
Listener = Callable[[Event], None]


def to_dict(event: Event) -> dict[str, Any]:
    """Return the event as plain data, `event` first; the format is `EVENT_FORMAT`."""
    data: dict[str, Any] = {"event": event.kind}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        data[name.rstrip("_")] = list(value) if isinstance(value, tuple) else value
    return data
