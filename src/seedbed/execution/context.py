"""What everything that works on the targets of a run is handed: whose run it is, where events go, how it is stopped."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from seedbed.engines.base import Lease, Session
from seedbed.errors import SeedbedError, as_one
from seedbed.execution.stopping import Stop
from seedbed.model.event import Event, Listener, LoginsChanged, failure
from seedbed.model.history import Owner


class RunContext:
    """`owner`: in whose name leases are taken. `wait`: seconds that a lease is waited for. `events`: all, in order.

    `environment`: by name, for hints.
    """

    def __init__(
        self, owner: Owner, *, wait: float, listener: Listener, stop: Stop, environment: str = ""
    ) -> None:
        self.owner = owner
        self.environment = environment
        self.wait = wait
        self.stop = stop
        self.events: list[Event] = []
        self._listener = listener
        self._leases: dict[str, list[Lease]] = {}  # those that a verb took, by target
        self._with_other_logins: set[str] = set()  # targets whose logins changed before their lease was there
        self._lock = threading.Lock()  # workers emit from threads of their own

    def mark(self, how: str) -> None:
        """Have what this run writes down say how it was called, behind the name of who did."""
        self.owner = replace(self.owner, who=f"{self.owner.who}, {how}")

    def begin(self) -> None:
        """Begin a verb: what an earlier one touched is not told of this one."""
        self._leases.clear()
        self._with_other_logins.clear()

    def emit(self, event: Event) -> None:
        """Keep `event`, and hand it to the listener."""
        with self._lock:
            self.events.append(event)
            self._listener(event)

    def tell(self, event: Event) -> None:
        """Hand `event` to the listener alone: it is about a target beside the run, and no part of the outcome."""
        with self._lock:
            self._listener(event)

    @property
    def is_touched(self) -> bool:
        """Whether anything of this verb stays in any target, or may."""
        return any(map(self._is_touched, {*self._leases, *self._with_other_logins}))

    def _is_touched(self, target: str) -> bool:
        return target in self._with_other_logins or any(
            each.is_touched for each in self._leases.get(target, ())
        )

    def fail(self, target: str, error: SeedbedError, version: str = "") -> None:
        """Emit the failure of one target, and whether it is touched; an interruption gets the code of its signal."""
        failed = self.stop.mark(as_one(error))
        touched = self._is_touched(target)
        self.emit(failure(target, failed, version, touched=touched, environment=self.environment))

    @contextmanager
    def lease(self, target: str, session: Session) -> Iterator[Lease]:
        """Take the lease of `target`, unless a stop is asked for meanwhile.

        Raises what `Session.lease` raises, Interrupted.
        """
        self.stop.check()
        with session.lease(self.owner, wait=self.wait, listener=self._emit_or_stop) as lease:
            self._leases.setdefault(target, []).append(lease)
            yield lease

    def _emit_or_stop(self, event: Event) -> None:
        if isinstance(event, LoginsChanged):
            self._with_other_logins.add(event.target)
        self.emit(event)
        self.stop.check()


def this_process() -> Owner:
    """Return a new owner of leases: who runs this process, and where."""
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or str(os.getuid())
    return Owner(os.urandom(16).hex(), f"{user}@{os.uname().nodename} pid {os.getpid()}")
