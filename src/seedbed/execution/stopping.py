"""Being asked to stop: Ctrl-C and SIGTERM reach every session at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, runtime_checkable

from seedbed.errors import ExitCode, Interrupted, SeedbedError

_PAUSE = 0.5  # seconds
GRACE = 8.0  # seconds that a server may take to end what it was asked to end


class Interruptible(Protocol):
    """Something at work that can be told to stop; a session, a child process."""

    def interrupt(self) -> None: ...


@runtime_checkable
class Abandonable(Protocol):
    """Something at work that can give up waiting for its server."""

    def abandon(self) -> None:
        """Close its connections, from any thread: what it waits for fails, and the outcome of that is unknown."""
        ...


class Stop:
    """Set from a signal handler; everything that works looks at it between two steps.

    `request` also interrupts what is running: an atomic step rolls back, any other leaves its record. A server that
    does not answer to that has `grace` seconds: then its connections are closed, because whoever asked to stop (a
    person, ECS, a CI runner) waits no longer.
    """

    def __init__(self, *, grace: float = GRACE) -> None:
        self._grace = grace
        self._code: ExitCode | None = None
        self._sessions: dict[int, Interruptible] = {}
        self._lock = threading.Lock()

    def request(self, code: ExitCode = ExitCode.INTERRUPTED) -> None:
        self._code = self._code or code
        # A handler runs inside any line of the main thread, also inside `watching`: it must not wait for the lock.
        threading.Thread(target=self._interrupt, daemon=True).start()
        threading.Thread(target=self._abandon, daemon=True).start()

    def _abandon(self) -> None:
        """Close the connections of what is still at work after the grace, and of what comes after that.

        In a thread of its own: to interrupt a session may itself be to wait for a server that is silent.
        """
        time.sleep(self._grace)
        while True:
            with self._lock:
                sessions = [each for each in self._sessions.values() if isinstance(each, Abandonable)]
            if not sessions:
                return
            for session in sessions:
                with suppress(Exception):  # it may end this very moment
                    session.abandon()
            time.sleep(_PAUSE)

    def _interrupt(self) -> None:
        """Interrupt what runs, again and again: between two statements there is nothing that could be canceled.

        The pause leaves a session that was hit the time to write down where it stands.
        """
        while True:
            with self._lock:
                sessions = list(self._sessions.values())
            if not sessions:
                return
            for session in sessions:
                session.interrupt()
            time.sleep(_PAUSE)

    @property
    def code(self) -> ExitCode | None:
        """130 or 143 once a stop was asked for, None before."""
        return self._code

    def check(self) -> None:
        """Raise Interrupted if a stop was asked for."""
        if self._code is not None:
            stopped = Interrupted(
                "stopped between two steps",
                because="Ctrl-C" if self._code is ExitCode.INTERRUPTED else "SIGTERM",
                try_="run the same command again: it goes on where this one stopped",
            )
            stopped.exit_code = (
                self._code
            )  # here already: of several errors, the code is folded when they are made
            raise stopped

    def mark(self, error: SeedbedError) -> SeedbedError:
        """Return `error`; an interruption gets the exit code of the signal that asked for it."""
        if isinstance(error, Interrupted) and self._code is not None:
            error.exit_code = self._code
        return error

    @contextmanager
    def watching(self, session: Interruptible) -> Iterator[None]:
        """Interrupt `session` as well when a stop is asked for within this context."""
        with self._lock:
            self._sessions[id(session)] = session
        try:
            yield
        finally:
            with self._lock:
                self._sessions.pop(id(session), None)
