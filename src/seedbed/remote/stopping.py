"""Stopping a run from where it was called: first by its record, then by ending its task.

Whoever sends SIGTERM waits for seconds, and a run may need minutes to its next safe point: so the caller leaves, and
says that the run goes on. A person who presses Ctrl-C stays and sees how it ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from seedbed.errors import ExitCode, Hint, Interrupted, SeedbedError, Unavailable, call
from seedbed.remote.control import Control
from seedbed.remote.tasks import Tasks

GRACE = 8.0  # seconds after which a caller leaves: runners of CI kill it after ten
_PAUSE = 0.5
_SIGNALS = {ExitCode.INTERRUPTED: "Ctrl-C", ExitCode.TERMINATED: "SIGTERM"}


def withdrawn(control: Control, tasks: Tasks | None, id_: str, code: ExitCode) -> bool:
    """Close a run that no worker has taken, and end its task: nothing was touched. Return False where one has.

    Raises what `seedbed.aws` raises.
    """
    run = control.run(id_, attempts=2)
    if run is None or run.state != "asked" or not control.close(run, int(code), _SIGNALS[code]):
        return False
    if run.carrier and tasks is not None:
        with suppress(SeedbedError):  # it finds that there is nothing to do, and ends by itself
            tasks.stop(run.carrier, f"{_SIGNALS[code]} by the caller of run {id_}")
    return True


class Stopping:
    """What signals do to one run. `request` is for handlers: it waits for nothing.

    `interactive`: whether a person sees what happens, who may stay to the end. `tell`: is given a line for that person.
    """

    def __init__(
        self,
        control: Control,
        tasks: Tasks | None,
        id_: str,
        *,
        interactive: bool,
        tell: Callable[[str], None] = lambda _line: None,
        grace: float = GRACE,
    ) -> None:
        self._control = control
        self._tasks = tasks
        self._id = id_
        self._interactive = interactive
        self._tell = tell
        self._grace = grace
        self._code: ExitCode | None = None
        self._leaves_at: float | None = None
        self._presses = 0
        self._told = threading.Event()

    @property
    def code(self) -> ExitCode | None:
        """130 or 143 once a signal came."""
        return self._code

    def request(self, code: ExitCode = ExitCode.INTERRUPTED) -> None:
        """Take a signal: the first sets `stop` in the record, a second Ctrl-C ends the task, a third leaves."""
        is_first, self._code = self._code is None, self._code or code
        if code is ExitCode.INTERRUPTED:
            self._presses += 1
        if is_first:
            threading.Thread(target=self._ask, args=(code,), daemon=True).start()
        elif code is ExitCode.INTERRUPTED and self._presses == 2 and self._interactive:
            threading.Thread(target=self._end, daemon=True).start()
        elif self._presses > 2 or (code is not ExitCode.INTERRUPTED and self._presses == 0):
            self._leaves_at = 0.0
        if self._leaves_at is None and (code is not ExitCode.INTERRUPTED or not self._interactive):
            self._leaves_at = time.monotonic() + self._grace

    def check(self) -> None:
        """Raise Interrupted once it is time to leave; the run goes on."""
        if self._leaves_at is None or time.monotonic() < self._leaves_at:
            return
        asked = "it was asked to stop, and goes on to its next safe point"
        error = Interrupted(
            f"left run {self._id}: {asked if self._told.is_set() else 'it goes on, and could not be asked to stop'}",
            because=_SIGNALS[self._code or ExitCode.INTERRUPTED],
            try_=Hint("see how it ends: ", call("runs attach", self._id)),
        )
        error.exit_code = self._code or ExitCode.INTERRUPTED
        raise error

    def _ask(self, code: ExitCode) -> None:
        self._tell("the run is asked to stop at its next safe point; Ctrl-C again ends its task")
        while not self._told.is_set():
            try:
                if not withdrawn(self._control, self._tasks, self._id, code):
                    self._control.request_stop(self._id, int(code))
                self._told.set()
            except Unavailable:
                time.sleep(_PAUSE)
            except SeedbedError as error:
                self._tell(f"it cannot be asked to stop: {error.what}")
                return

    def _end(self) -> None:
        try:
            run = self._control.run(self._id)
            if run is None or not run.carrier or self._tasks is None:
                self._tell("there is no task yet that could be ended; Ctrl-C again leaves")
                return
            self._tasks.stop(run.carrier, f"Ctrl-C twice by the caller of run {self._id}")
            self._tell("its task is being ended, two minutes at most; Ctrl-C again leaves")
        except SeedbedError as error:
            self._tell(f"its task was not ended: {error.what}")
