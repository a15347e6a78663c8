"""What happened, as data. Everything a person or a machine is shown is made from these.

As JSON, an event is its fields with its kind, `event`, first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from msgspec import Struct, to_builtins

from seedbed.errors import Location, SeedbedError, hint_text

EVENT_FORMAT = 1  # of events as JSON; raised when a field changes its meaning or goes away


def _kind(class_name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", class_name).lower()


def _json_name(name: str) -> str:
    return name.rstrip("_")  # `try` is a word of Python's


class Event(Struct, frozen=True, tag_field="event", tag=_kind, rename=_json_name):
    """Something that happened to one target. Its kind is the name of its class: `target_connected`."""

    target: str

    @property
    def kind(self) -> str:
        return kind_of(type(self))


class TargetConnected(Event, frozen=True):
    """A connection stands; `server` says what answered (`PostgreSQL 18.6`)."""

    server: str


class TargetAwaited(Event, frozen=True):
    """A server has not answered yet; told about once a second meanwhile. `waited` in seconds.

    `wakes`: it sleeps without connections, and takes its time. Any other is told after ten seconds only.
    """

    waited: float
    wakes: bool = True


class LeaseAwaited(Event, frozen=True):
    """Another run holds the lease; told about once a second while we wait. `waited` in seconds."""

    holder: str
    waited: float


class TakenOver(Event, frozen=True):
    """A vanished owner's work was still running on the server and was ended: `work` as text."""

    work: str


class TargetBound(Event, frozen=True):
    """The target had no identity and got one."""

    identity: str


class LoginsChanged(Event, frozen=True):
    """Something that a login lacked was made or granted, or a password set: `what` as text."""

    what: str


class WorkStarted(Event, frozen=True):
    """A migration begins, or goes on where a former run left it (`resumed`)."""

    version: str
    name: str
    direction: str
    steps: int = 1
    resumed: bool = False


class WorkProgressed(Event, frozen=True):
    """A step or a batch is done. `done` of `total` in `unit` (total 0: not known)."""

    version: str
    done: int
    total: int
    unit: str
    summary: str = ""


class StepProbed(Event, frozen=True):
    """A step with an unknown outcome was looked up in the catalogue; `verdict` says what was found and done."""

    version: str
    step: int
    verdict: str


class Retrying(Event, frozen=True):
    """A step gave way (a lock, a deadlock) and is tried again after `delay` seconds."""

    version: str
    because: str
    attempt: int
    delay: float


class WorkFinished(Event, frozen=True):
    """A migration is applied or reverted and recorded."""

    version: str
    name: str
    direction: str
    seconds: float


class SeedProgressed(Event, frozen=True):
    """A part of a dataset is checked or loaded (`verb`), and that goes on: `done` of `total` rows (0: not known).

    `changed`: how many of them stay changed whatever happens next.
    """

    dataset: str
    part: str
    verb: str
    done: int
    total: int
    changed: int


class SeedLoaded(Event, frozen=True):
    """One part of a dataset is loaded; the numbers are rows."""

    dataset: str
    part: str
    inserted: int
    updated: int
    unchanged: int


class ServerNotice(Event, frozen=True):
    """The server said something worth reading (a NOTICE, a WARNING)."""

    version: str
    severity: str
    text: str


class TargetEmptied(Event, frozen=True):
    """`reset` removed everything; `what` as text."""

    what: str


class Repaired(Event, frozen=True):
    """A person's decision was written into the history and its audit."""

    version: str
    decision: str


class CopyProgressed(Event, frozen=True):
    """A copy of the target's data goes on: `done` of `total` in `unit` (0: not known). `verb`: dump or restore."""

    verb: str
    done: int
    total: int
    unit: str


class CopyFinished(Event, frozen=True):
    """A copy is whole: `what` it holds, as text, and the `file` it is in."""

    verb: str
    what: str
    file: str


class IdsRead(Event, frozen=True):
    """Ids of a field of the target have been read: `done` of about `total` (0: nothing knows that); `is_all`: all."""

    path: str
    done: int
    total: int
    is_all: bool = False


class IdsAwaited(Event, frozen=True):
    """Ids that a field holds were not found: `count` of them are looked up again after `seconds`."""

    path: str
    count: int
    seconds: float


class QueryAsked(Event, frozen=True):
    """A query of the expectation of that name is asked."""

    expectation: str


class DeployStarted(Event, frozen=True):
    """A stack's updates begin: `updates` of them (0: it is destroyed), `changes` as text.

    `resumed`: a former run began them, and what it left under way was followed to its end.
    """

    stack: str
    updates: int
    changes: tuple[str, ...] = ()
    resumed: bool = False


class DeployProgressed(Event, frozen=True):
    """A deployment goes on: `what` says what happens or is waited for; `done` of `total` in `unit` (0: not known).

    `update` counts from 1; 0 is what comes before the first update that this run makes. In `updates` it is told when
    one begins (`done`: those before it) and when it is made (`done`: with it).
    """

    stack: str
    update: int
    what: str
    done: int = 0
    total: int = 0
    unit: str = ""


class DeployFinished(Event, frozen=True):
    """A stack is up to date (or gone, where it was destroyed). `updates`: how many updates that took."""

    stack: str
    updates: int
    seconds: float


class TargetDone(Event, frozen=True):
    """All that was to be done on the target is done; `deferred` versions wait for a later gate."""

    deferred: tuple[str, ...] = ()


class TargetFailed(Event, frozen=True):
    """Work on the target ended early. `exit_code` is the error's own, `error_kind` the name of its class.

    `touched`: whether anything of this run stays in the target, or may.
    """

    error: str
    because: str
    try_: str
    at: Location | None
    exit_code: int
    version: str = ""
    error_kind: str = ""
    touched: bool = False


class TargetSkipped(Event, frozen=True):
    """Nothing more was done on the target, because of another one."""

    because: str
    versions: tuple[str, ...] = ()


def failure(
    target: str, error: SeedbedError, version: str = "", *, touched: bool = False, environment: str = ""
) -> TargetFailed:
    """Return `error` as the event that ends the work on `target`; `environment`: what its hints are about."""
    return TargetFailed(
        target,
        error.what,
        error.because,
        hint_text(error.try_, environment, target),
        error.at,
        int(error.exit_code),
        version,
        type(error).__name__,
        touched,
    )


def kind_of(event: type[Event]) -> str:
    return str(event.__struct_config__.tag)


KINDS: tuple[type[Event], ...] = tuple(Event.__subclasses__())  # all that there are; tests may add their own
Listener = Callable[[Event], None]

if TYPE_CHECKING:
    AnyEvent: TypeAlias = Event
else:
    AnyEvent = Union[KINDS]  # noqa: UP007  what is read as one of them: made of a list, as `|` cannot be


def to_dict(event: Event) -> dict[str, Any]:
    """Return the event as plain data, `event` first; the format is `EVENT_FORMAT`."""
    data: dict[str, Any] = to_builtins(event)
    return data
