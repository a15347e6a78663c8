"""Following a run to its end: what its worker tells, in order, and what ECS says of its task until then.

The record is the truth. ECS is asked for what the record cannot say: that a task is on its way, and that it is gone.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from msgspec import Struct

from seedbed.aws.faults import ClockSkew, ExpiredCredentials
from seedbed.errors import (
    ExitCode,
    Hint,
    Interrupted,
    OutcomeUnknown,
    Refused,
    SeedbedError,
    Unavailable,
    UsageError,
    call,
)
from seedbed.remote.control import FRESH, Control
from seedbed.remote.records import Asked, Entry, Run, Written, code_of, decoded
from seedbed.remote.stopping import Stopping
from seedbed.remote.tasks import Task, Tasks
from seedbed.support.typed import UNREADABLE

LAST_LINES = 30


class Pace(Struct, frozen=True):
    """Seconds: between two looks at the record (`fastest` to `slowest`) and at the task (before and after the claim).

    `settles`: from the end of the task to the last word of its record. `missing`: for which ECS may not know a task
    that it has just started. `silent`: without a heartbeat, where there is no task that could be looked at. `sight`:
    without an answer of AWS, before the caller gives up.
    """

    fastest: float = 0.2
    slowest: float = 1.0
    task_early: float = 2.0
    task_late: float = 10.0
    settles: float = 10.0
    missing: float = 60.0
    silent: float = 2 * FRESH
    sight: float = 600.0


class _Seen(Struct):
    """What one look found: the run, what it told since the last one, its task where that was looked at.

    Or an error; or a crash, which is for the thread that waits.
    """

    run: Run | None = None
    entries: tuple[Entry, ...] = ()
    task: Task | None = None
    error: SeedbedError | None = None
    crash: Exception | None = None


class Following:
    """One run, from line `after` (-1: its first) to its end.

    `entry` is given every line, once and in order, in the thread that calls; `tell` a line for the display about the
    task and the connection, "" when there is nothing to say any more.
    """

    def __init__(
        self,
        control: Control,
        tasks: Tasks | None,
        id_: str,
        *,
        entry: Callable[[Entry], None],
        tell: Callable[[str], None] = lambda _line: None,
        stopping: Stopping | None = None,
        pace: Pace | None = None,
        after: int = -1,
    ) -> None:
        self._control = control
        self._tasks = tasks
        self._id = id_
        self._entry = entry
        self._tell_line = tell
        self._stopping = stopping
        self._pace = pace or Pace()
        self._looks = _Looks(control, tasks, id_, self._pace, after)
        self._began = time.monotonic()
        self._said = ""
        self._ended_at: float | None = None  # when the task was first seen to be gone
        self._missing_since: float | None = None
        self._lost_sight: float | None = None

    def to_the_end(self) -> Run:
        """Return the run once it is over: then it has its exit code, and its document if it has one.

        Raises Unavailable where no worker took it (nothing was touched), OutcomeUnknown where its worker is gone, or
        AWS has not answered for long, Interrupted where the caller leaves.
        """
        self._looks.start()
        try:
            while True:
                if self._stopping is not None:
                    self._stopping.check()
                with suppress(queue.Empty):
                    if ended := self._taken(self._looks.found.get(timeout=0.1)):
                        return ended
        finally:
            self._looks.close()
            self._tell("")

    def _taken(self, seen: _Seen) -> Run | None:
        """Take what a look found; return the run if it is over."""
        if seen.crash is not None:
            raise seen.crash
        if seen.error is not None:
            self._missed(seen.error)
            return None
        run = seen.run
        for each in seen.entries:
            self._entry(_answered(each, run) if run is not None and isinstance(each, Asked) else each)
        if run is None:
            raise Refused(f"there is no run {self._id}", because="its record is not there, or has expired")
        if run.is_over:
            return self._over(run)
        try:
            if seen.task is not None:
                self._looked(run, seen.task)
            elif not self._looks.can_look(run):
                self._without_task(run)
        except _NotWritten as silent:
            self._missed(silent.error, "is not carried out any more, and its record cannot say so")
            return None
        self._lost_sight = None
        return None

    def _over(self, run: Run) -> Run:
        if run.state == "lost":
            raise self._unknown(run, run.because)
        if run.because:
            code = code_of(run.exit_code)
            kind = Interrupted if code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED) else Unavailable
            error = kind(
                f"run {run.id} was not carried out",
                because=f"{run.because}; nothing was touched",
                try_="call the command again",
            )
            error.exit_code = code
            raise error
        return run

    # --- the task

    def _looked(self, run: Run, task: Task) -> None:
        now = time.monotonic()
        self._missing_since = (self._missing_since or now) if task.is_missing else None
        is_gone = task.has_ended or (
            task.is_missing and now - (self._missing_since or now) >= self._pace.missing
        )
        if not is_gone:
            self._ended_at = None
            self._show(run, task)
            return
        if task.is_missing and self._beats(run):
            return  # tasks are described for an hour after their end, and records beat until theirs
        self._ended_at = self._ended_at or now
        if now - self._ended_at >= self._pace.settles or (task.failed_to_start and run.state == "asked"):
            self._gone(run, task)

    def _show(self, run: Run, task: Task) -> None:
        seconds = time.monotonic() - self._began
        if run.state == "asked":
            doing = "is pulling its image" if task.is_pulling else f"is {task.status.lower() or 'on its way'}"
            self._tell(f"the task {doing} ({seconds:.0f} s)")
        elif not self._beats(run):
            silent = self._control.now() - run.beat
            self._tell(f"its worker was last heard of {silent:.0f} s ago; its task is {task.status.lower()}")
        else:
            self._tell("")

    def _without_task(self, run: Run) -> None:
        """Judge a run by its heartbeat alone: its task is not known, or may not be looked at."""
        silent = self._control.now() - run.beat
        if silent >= self._pace.silent:
            self._gone(run, Task("", reason=f"its last heartbeat was {silent:.0f} s ago"))
        elif run.state == "asked":
            self._tell(f"waiting for a worker ({time.monotonic() - self._began:.0f} s)")

    def _beats(self, run: Run) -> bool:
        return self._control.is_fresh(run.beat)

    def _gone(self, run: Run, task: Task) -> None:
        """Write into the record that nobody carries it out, and raise that; return where the record knows better."""
        why = task.why if task.arn else task.reason
        if run.state == "asked":
            if _written(lambda: self._control.close(run, int(ExitCode.UNAVAILABLE), why)):
                raise Unavailable(
                    f"the task did not start, and run {run.id} with it"
                    if task.failed_to_start
                    else f"no worker took run {run.id}",
                    because=f"{why}{self._log(task)}",
                    try_=_remedy(why),
                )
        elif _written(lambda: self._control.mark_lost(run, why)):
            raise self._unknown(run, f"{why}{self._log(task)}")

    def _unknown(self, run: Run, because: str) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"the worker of run {run.id} is gone, and how far it came is unknown",
            because=because,
            try_=Hint(
                "see what is there: ",
                call("status", "--fresh", about_all=True),
                "; then call the command again",
            ),
        )

    def _log(self, task: Task) -> str:
        if not task.arn or self._tasks is None or task.failed_to_start:
            return ""
        lines = self._tasks.last_lines(task.arn, LAST_LINES)
        return "".join(f"\n           | {each}" for each in lines)

    # --- the connection

    def _missed(
        self, error: SeedbedError, so: str = "goes on, and cannot be seen from here any more"
    ) -> None:
        """Tell that AWS does not answer; raise once that cannot be waited for any longer. `so`: what the run does."""
        now = time.monotonic()
        self._lost_sight = self._lost_sight or now
        seconds = now - self._lost_sight
        can_wait = isinstance(error, Unavailable) and not isinstance(error, ExpiredCredentials | ClockSkew)
        if can_wait and seconds < self._pace.sight:
            self._tell(f"{error.what}; the run {so.partition(',')[0]} ({seconds:.0f} s)")
            return
        raise OutcomeUnknown(
            f"run {self._id} {so}",
            because=f"{error.what}: {error.because}" if error.because else error.what,
            try_=Hint("see how it ends: ", call("runs attach", self._id)),
        )

    def _tell(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self._tell_line(line)


class _Looks:
    """A thread that looks at a run again and again: whoever waits for it can be interrupted at any time."""

    def __init__(self, control: Control, tasks: Tasks | None, id_: str, pace: Pace, after: int) -> None:
        self.found: queue.Queue[_Seen] = queue.Queue()
        self._control = control
        self._tasks = tasks
        self._id = id_
        self._pace = pace
        self._after = after
        self._pause = pace.fastest
        self._next_task = 0.0
        self._denied = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="seedbed-following", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()

    def can_look(self, run: Run) -> bool:
        """Return whether there is a task that can be looked at."""
        return bool(run.carrier) and self._tasks is not None and not self._denied

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                seen = self._look()
                self._pause = (
                    self._pace.fastest if seen.entries else min(self._pace.slowest, self._pause * 1.2)
                )
            except SeedbedError as error:
                seen = _Seen(error=error)
                self._pause = self._pace.slowest
            except Exception as error:  # noqa: BLE001  who waits would wait for ever
                seen = _Seen(crash=error)
            self.found.put(seen)
            if seen.error is None and (seen.run is None or seen.run.is_over):
                return
            self._closed.wait(self._pause)

    def _look(self) -> _Seen:
        # The record first: what it has told by the time that it is over is all there then.
        run = self._control.run(self._id, attempts=2)
        entries, after = list[Entry](), self._after
        for after, lines in self._control.lines(self._id, self._after):  # noqa: B007  the last one counts
            entries += map(self._read, lines)
        seen = _Seen(run, tuple(entries), self._task(run))
        self._after = after  # now: what an error ends is looked at again
        return seen

    def _read(self, line: str) -> Entry:
        try:
            return decoded(line)
        except UNREADABLE:
            raise UsageError(
                f"what run {self._id} tells cannot be read by this seedbed",
                because="another version of it carries the run out",
                try_="install the version that called it",
            ) from None

    def _task(self, run: Run | None) -> Task | None:
        if run is None or run.is_over or not self.can_look(run) or time.monotonic() < self._next_task:
            return None
        assert self._tasks is not None
        early = run.state == "asked"
        self._next_task = time.monotonic() + (self._pace.task_early if early else self._pace.task_late)
        try:
            task = self._tasks.look(run.carrier)
        except Refused:
            self._denied = True
            return None
        except Unavailable:  # of no importance while the record answers
            return None
        if task.has_ended or task.is_missing:
            self._next_task = 0.0  # every look from now on: its record is about to end, or never will
        return task


class _NotWritten(Exception):
    """AWS has not answered a write that ends a record: whether it is ended is not known."""

    def __init__(self, error: SeedbedError) -> None:
        super().__init__(error.what)
        self.error = error


def _written(write: Callable[[], bool]) -> bool:
    """Return what `write` does. Raises _NotWritten where AWS refuses it or does not answer."""
    try:
        return write()
    except SeedbedError as error:
        raise _NotWritten(error) from error


def _answered(asked: Asked, run: Run) -> Entry:
    """Return a question as it is: still to be answered, or how it was."""
    if asked.number >= len(run.answers) and not run.is_over:
        return asked
    answer = run.answers[asked.number] if asked.number < len(run.answers) else "no answer"
    return Written("stderr", f"{asked.question} [y/N]: {answer}\n")


def _remedy(why: str) -> str:
    """Return what to try against a task that does not start, by what ECS says."""
    if "is not authorized to perform" in why:
        return (
            "deploy gives that right to the role that starts the task; a policy of the organisation or of a resource"
            " may take it away"
        )
    if "CannotPullContainer" in why:
        return (
            "see whether the image is there, for the architecture of the task, and may be pulled: by the task's role, "
            "and of another account by the policy of its repository"
        )
    if "ResourceInitializationError" in why:
        return "see whether what it names is there, and can be reached from the task's subnets; deploy makes both"
    return "see its log, and call the command again"
