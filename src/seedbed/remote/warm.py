"""A worker that waits: it takes the runs of its environment from the table, one child process a run.

A run starts within a second then, instead of within the minute that a new task needs. It ends itself after twenty
minutes without a run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from msgspec import Struct

from seedbed.errors import ExitCode, Refused, SeedbedError, Unavailable
from seedbed.remote.control import Control
from seedbed.remote.records import Run, new_id
from seedbed.remote.tasks import Tasks

COMMAND = ("--warm",)  # what the task runs seedbed with
IDLE = 1200.0  # seconds
_PATIENCE, _PAUSE = (
    150.0,
    1.0,
)  # seconds: for a task to end, two minutes of which are its own; between two looks
SIDE_BY_SIDE = 3  # runs; only one of them writes


class WarmRhythm(Struct, frozen=True):
    """Seconds: between two looks for runs, two heartbeats; without a run, after which it ends."""

    look: float = 0.3
    beat: float = 5.0
    idle: float = IDLE


class WarmWorker:
    """Waits for the runs of an environment as the task `name`, and claims them.

    `spawn`: starts the process that carries out a run; is given its id, and the token of the claim for `worker.CLAIM`.
    `rest`: is called again and again while no run is under way.
    `stop` ends it, from any thread or handler: its children are told to stop, and waited for.
    """

    def __init__(
        self,
        control: Control,
        name: str,
        spawn: Callable[[str, str], subprocess.Popen[bytes]],
        rhythm: WarmRhythm | None = None,
        *,
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._control = control
        self._rest = rest
        self._name = name
        self._spawn = spawn
        self._rhythm = rhythm or WarmRhythm()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._tokens: dict[str, str] = {}  # of claims that AWS has not answered: they may be made
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def work(self) -> None:
        """Return once it was stopped, or nothing was to do for long."""
        beats_at, last = 0.0, time.monotonic()
        while not self._stopped.is_set():
            with suppress(SeedbedError):  # AWS may answer the next time
                if time.monotonic() >= beats_at:
                    self._control.warm_beat(self._name)
                    beats_at = time.monotonic() + self._rhythm.beat
                self._take()
            with suppress(SeedbedError):
                self._reap()
            if self._children:
                last = time.monotonic()
            elif time.monotonic() - last >= self._rhythm.idle:
                break
            else:
                self._rest()
            self._stopped.wait(self._rhythm.look)
        with suppress(SeedbedError):
            self._control.warm_beat(self._name, is_open=False)
        for child in self._children.values():
            child.send_signal(signal.SIGTERM)
        for child in self._children.values():
            child.wait()
        with suppress(SeedbedError):
            self._reap()

    def _take(self) -> None:
        if len(self._children) >= SIDE_BY_SIDE:
            return
        for id_ in self._control.asked():
            if len(self._children) >= SIDE_BY_SIDE:
                return
            token = self._tokens.setdefault(id_, os.urandom(8).hex())
            # At once: a caller waits for seconds only, and a process takes some to begin.
            try:
                run = self._control.claim(id_, self._name, token)
            except Refused:  # a record that cannot be read stands in no other's way
                continue
            del self._tokens[id_]
            if run is not None:
                self._begin(run, token)

    def _begin(self, run: Run, token: str) -> None:
        try:
            self._children[run.id] = self._spawn(run.id, token)
        except OSError as error:  # no memory, or too many processes: those that are there go on
            because = f"a worker had no room for it: {error.strerror or error}"
            self._control.decline(run, int(ExitCode.UNAVAILABLE), because)

    def _reap(self) -> None:
        """Write into the records of children that died how they ended: they could not."""
        for id_, child in list(self._children.items()):
            code = child.poll()
            if code is None:
                continue
            run = self._control.run(id_)
            if run is not None and run.state == "claimed" and run.worker == self._name:
                self._control.mark_lost(run, f"its process ended with {code}")
            del self._children[id_]


def begin(control: Control, tasks: Tasks) -> tuple[str, bool]:
    """Return the ARN of the task that waits for runs, and whether it was started for that now.

    Raises what starting a task raises.
    """
    if (there := control.warm()) is not None:
        return there.task, False
    return tasks.start(COMMAND, run=_started_for(control), token=new_id()), True


def end(control: Control, tasks: Tasks, *, tell: Callable[[str], None] = lambda _line: None) -> list[str]:
    """End the workers that wait for runs, and return the ARNs of their tasks once they are gone.

    Their children are told to stop, as by Ctrl-C. Raises what `seedbed.aws` raises; Unavailable where one does not end.
    """
    ended: list[str] = []
    while there := _waiting(control, tasks):
        for arn in there:
            tasks.stop(arn, "its environment needs no warm worker any more")
            tell(f"task {arn.rpartition('/')[2]}, which waits for runs, is being ended")
        for arn in there:
            _see_end(tasks, arn)
            control.warm_beat(arn, is_open=False)  # it may have had no time to
        ended += there
    return ended


def _waiting(control: Control, tasks: Tasks) -> list[str]:
    """Return the ARNs of the workers that wait: one that is starting has not written so yet, and ECS knows it."""
    told = control.warm()
    return list(dict.fromkeys([*([told.task] if told else []), *tasks.started_for(_started_for(control))]))


def _started_for(control: Control) -> str:
    """Return what ECS knows the workers by that wait: in the cluster of a base there are those of others."""
    return f"warm/{control.environment}"


def _see_end(tasks: Tasks, arn: str) -> None:
    """Return once a task has ended. Raises Unavailable where it does not."""
    until = time.monotonic() + _PATIENCE
    while not ((task := tasks.look(arn)).has_ended or task.is_missing):
        if time.monotonic() >= until:
            raise Unavailable(f"task {arn} does not end", because=f"it is {task.status}")
        time.sleep(_PAUSE)
