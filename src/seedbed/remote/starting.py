"""From what is asked for to a run that somebody carries out: one that is there already, a warm worker, or a new task.

A task is started by the caller, or, where the environment says so, by a pipe of EventBridge, as soon as the record is
there: then the caller looks for the task that has the run, and starts none.

A run that is not started is closed, so that no task can claim it later and it stands in nobody's way. Only then it is
certain that nothing was touched.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from seedbed.aws.faults import Throttled
from seedbed.errors import (
    Busy,
    ExitCode,
    Hint,
    Interrupted,
    OutcomeUnknown,
    Refused,
    SeedbedError,
    Unavailable,
    Unreachable,
    call,
)
from seedbed.remote.control import FRESH, Control, run_item
from seedbed.remote.records import Ask, Run, blob_of, new_id, who
from seedbed.remote.tasks import NoCapacity, Tasks
from seedbed.support.backoff import backoff

COMMAND = ("--run",)  # what the task runs seedbed with, before the run's id
_ROUNDS = 5  # times that another run may end, and one more begin, while ours tries to
_SLICE = 0.2  # seconds between two looks whether we are to stop


class Patience(Struct, frozen=True):
    """How long is waited, in seconds: for a warm worker, for AWS to have room, for an answer that was lost.

    `look`: at most, between two looks for a task that a pipe starts, for which `capacity` counts as well.
    """

    warm: float = 3.0
    capacity: float = 300.0
    answer: float = 60.0
    look: float = 1.0
    pause: float = 2.0  # at first, between two tries; up to `longest`
    longest: float = 30.0


class Started(Struct, frozen=True):
    """A run that is under way. `is_attached`: somebody else asked for it before. `task`: ARN of the task started."""

    run: Run
    is_attached: bool = False
    task: str = ""


class Starter(Struct, frozen=True):
    """Starts runs in one environment.

    `tell`: is given a line whenever there is something to wait for. `check`: raises Interrupted once the caller wants
    to stop; it is asked while anything is waited for.
    """

    control: Control
    tasks: Tasks
    tell: Callable[[str], None] = lambda _line: None
    check: Callable[[], None] = lambda: None
    patience: Patience = Patience()
    command: Sequence[str] = COMMAND

    def start(self, ask: Ask, inputs: Mapping[str, bytes] | None = None) -> Started:
        """Have `ask` carried out, with the files `inputs` by the names that its argv has.

        A run that writes and asks for the same is followed in its place. Raises Busy where another one writes, Refused
        and UsageError where the task cannot be started, Unavailable where AWS does not answer or has no room,
        Interrupted: nothing was touched by then. Raises OutcomeUnknown where nobody can say that it never will be.
        """
        inputs = inputs or {}
        ask = replace(ask, inputs={name: blob_of(data) for name, data in inputs.items()})
        marked = self.control.writing()  # of a run that only reads it tells what time it is
        over = marked if ask.writes else ""
        if over and (there := self._met(ask, over)):
            return Started(there, is_attached=True)
        id_ = new_id(now=self.control.now())
        stored = {name: self.control.store(id_, data, ask) for name, data in inputs.items()}
        ask = replace(ask, inputs=stored)
        run = Run(id=id_, ask=ask)
        for _ in range(_ROUNDS):
            try:
                other = self.control.create(id_, ask, instead_of=over)
            except Unavailable as error:  # it may be written all the same, and a warm worker would take it
                return self._given_up(run, error)
            if not other:
                return self._carried(run)
            if there := self._met(ask, other):
                return Started(there, is_attached=True)
            over = other
        raise Busy(
            f"runs that write follow each other in {ask.environment}, and ours found no gap",
            try_="run it again later",
        )

    def under_way(self) -> Run | None:
        """Return the run that writes there now, None where none does. Raises what `seedbed.aws` raises."""
        id_ = self.control.writing()
        run = self.control.run(id_) if id_ else None
        return None if run is None or run.is_over or self._is_ended(run) else run

    def _met(self, ask: Ask, id_: str) -> Run | None:
        """Return the run that has the mark if it is the one that is asked for; None if its place may be taken.

        Raises Busy where it is another one.
        """
        run = self.control.run(id_)
        if run is None or run.is_over or self._is_ended(run):
            return None
        if run.ask.fingerprint == ask.fingerprint:
            return run
        raise busy(run, self.control.now())

    def _is_ended(self, run: Run) -> bool:
        """Return whether nobody carries `run` out any more; its record then says so."""
        if self.control.is_fresh(run.beat, FRESH):
            return False
        if run.carrier:
            with suppress(Refused):  # who may not look at tasks has the heartbeat alone
                task = self.tasks.look(run.carrier)
                if not (task.has_ended or task.is_missing):
                    return False
        silent = self.control.now() - run.beat
        because = f"its last heartbeat was {silent:.0f} s ago, and no task of it runs"
        if run.state == "asked":
            return self.control.close(run, int(ExitCode.UNAVAILABLE), because)
        return self.control.mark_lost(run, because)

    # --- the task

    def _carried(self, run: Run) -> Started:
        """Return `run` once a warm worker has claimed it or a task was started for it."""
        try:
            if self.tasks.place.pipe:
                return self._by_pipe(run)
            if self._is_taken_by_warm(run):
                return Started(run)
            return self._with_task(run)
        except SeedbedError as error:
            return self._given_up(run, error)

    def _given_up(self, run: Run, error: SeedbedError) -> Started:
        """Close `run`, which could not be started, and raise `error`; return it where a worker has claimed it.

        Raises OutcomeUnknown where it cannot be closed: then a worker may come yet.
        """
        try:
            if not self.control.close(run, int(error.exit_code), error.what) and self.control.run(run.id):
                return Started(run)
        except SeedbedError as silent:  # its heartbeat ends here: the next who writes closes it
            unknown = OutcomeUnknown(
                f"run {run.id} may begin yet: {error.what}",
                because=f"its record could not be closed: {silent.what}",
                try_=Hint("see whether it does: ", call("runs attach", run.id)),
            )
            if isinstance(error, Interrupted):
                unknown.exit_code = error.exit_code
            raise unknown from error
        raise error

    def _is_taken_by_warm(self, run: Run) -> bool:
        try:
            warm = self.control.warm()
        except Unavailable:
            return False
        if warm is None:
            return False
        self.tell("a warm worker is asked")
        until = time.monotonic() + self.patience.warm
        while time.monotonic() < until:
            self._rest(_SLICE)
            now = self.control.run(run.id)
            if now is not None and now.state != "asked":
                return True
        return False

    def _with_task(self, run: Run) -> Started:
        """Start the task. Tries again where AWS has no room, and where its answer is lost: then with the same token."""
        began, tries, token = time.monotonic(), 0, 1
        while True:
            try:
                return self._noted(
                    run, self.tasks.start([*self.command, run.id], run=run.id, token=f"{run.id}.{token}")
                )
            except (NoCapacity, Throttled) as error:
                token += 1  # it is certain that this one started nothing
                limit, found = self.patience.capacity, error
            except Unreachable as error:
                limit, found = self.patience.answer, error  # type: ignore[assignment]
            waited = time.monotonic() - began
            if waited >= limit:
                raise found
            tries += 1
            self.tell(f"{found.what}: tried again ({waited:.0f} s)")
            pause = backoff(tries, base=self.patience.pause, cap=self.patience.longest, rng=random.Random())
            if not self._waited(run, max(pause, self.patience.pause / 2)):
                return Started(run)

    def _by_pipe(self, run: Run) -> Started:
        """Wait for the task that a pipe starts. Raises Unavailable where there is none for long."""
        began, others, place = time.monotonic(), set[str](), self.tasks.place
        words = [*self.command, run_item(run.ask.environment, run.id)]
        while (waited := time.monotonic() - began) < self.patience.capacity:
            self.tell(f"waiting for AWS to start the task of {run.ask.environment} ({waited:.0f} s)")
            with suppress(Unavailable):
                if not self.control.keep(run.id):
                    return Started(run)
                if task := self.tasks.given(words, others):
                    return self._noted(run, task)
            self._rest(min(self.patience.look, _SLICE + waited / 4))  # at first it may come at once
        raise Unavailable(
            f"AWS has not started the task of {run.ask.environment} in {waited:.0f} s",
            because=f"the pipe {place.pipe} does, once a run is asked for; what keeps it from that is in its log, "
            f"{place.pipe_log}, and in its state",
            try_=f"look there, and at aws pipes describe-pipe --name {place.pipe}; then call the command again",
        )

    def _noted(self, run: Run, task: str) -> Started:
        until = time.monotonic() + self.patience.answer
        while True:
            try:
                self.control.started(run.id, task)
                break
            except Unavailable:  # it is for those who come later, and for who follows it
                if time.monotonic() >= until:
                    break
                time.sleep(_SLICE)
        return Started(replace(run, task=task), task=task)

    def _waited(self, run: Run, seconds: float) -> bool:
        """Wait, with heartbeats; return whether no worker has claimed the run meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with suppress(Unavailable):
                if not self.control.keep(run.id):
                    return False
            self._rest(min(left, FRESH / 4))
        return True

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, _SLICE))
        self.check()


def busy(run: Run, now: float) -> Busy:
    """Return that `run` is in the way: whose it is, what it does and since when."""
    since = datetime.fromisoformat(run.ask.at)
    seconds = max(0.0, now - since.timestamp())
    return Busy(
        f"another run writes to {run.ask.environment}: {run.ask.command} of {who(run.ask.by)}, since "
        f"{since:%H:%M:%S} UTC ({seconds:.0f} s)",
        because=f"its call is seedbed {' '.join((run.ask.command, *run.ask.argv))}; one run at a time writes there",
        try_=Hint("follow it: ", call("runs attach", run.id)),
    )


def stopped(code: ExitCode) -> Interrupted:
    """Return that the caller stopped before a task was started."""
    error = Interrupted("stopped before a task was started", because="nothing was touched")
    error.exit_code = code
    return error
