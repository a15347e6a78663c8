"""One target under test: the harness's texts and looks, tied to it, and runners on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from types import TracebackType
from typing import Any

from msgspec.structs import replace

from seedbed.engines.base import Engine, Lease, Session
from seedbed.engines.capabilities import SupportsInspection
from seedbed.model.event import Event
from seedbed.model.history import History, Identity, Owner, Revision
from seedbed.model.migration import Direction, Migration, Phase
from seedbed.model.seed import Dataset, Rows, SeedKind
from seedbed.model.target import Target
from seedbed.testing.harness import Harness, Hold
from seedbed.testing.runner import Order, Text, carry_out, identity_of

PATIENCE = 60.0  # seconds before a test gives up waiting for what has to come; servers share their machine

popen: type[subprocess.Popen[str]] = subprocess.Popen  # starts runners; whoever has a faster one puts it here


class Bench:
    """A fresh target, and what a test does with it."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.settings: Mapping[str, str] = dict(harness.settings())
        self._texts = 0
        self._order = Order(harness.entry_point, self.settings, dict(harness.options))

    def over(self, settings: Mapping[str, str]) -> Bench:
        """Return a bench whose engine reaches the same target by other settings."""
        other = copy(self)
        other.settings = settings
        other._order = replace(self._order, settings=settings)
        return other

    # what there is

    @property
    def engine(self) -> Engine:
        return self._order.engine

    @property
    def target(self) -> Target:
        return self._order.target

    @property
    def identity(self) -> Identity:
        return identity_of(self.target)

    def text(self, body: str, *, phase: Phase = Phase.EXPAND) -> Text:
        """Return `body` as a migration with the next version."""
        self._texts += 1
        version = f"202601010000{self._texts:02}"
        directives = f"{self.harness.comment} seedbed: phase={phase}\n"
        return Text(version, f"number_{self._texts}", self.harness.suffix, directives + body)

    def texts(self, *bodies: str) -> list[Text]:
        return [self.text(each) for each in bodies]

    def migration(self, text: Text) -> Migration:
        return self.engine.parse(text.file)

    def connect(self) -> AbstractContextManager[Session]:
        return self.engine.connect(self.target)

    @contextmanager
    def lease(self, who: str = "ana", *, wait: float = PATIENCE) -> Iterator[tuple[Session, Lease]]:
        """Take the lease over a session of its own, and bind the target if it is not bound."""
        with self.connect() as session, session.lease(owner(who), wait=wait, listener=ignore) as lease:
            if lease.history().identity is None:
                lease.bind(self.identity)
            yield session, lease

    # what it does

    def apply(self, *texts: Text, wait: float = PATIENCE) -> list[Event]:
        """Apply what is pending of `texts` in this process; return what was told."""
        return self._carry_out(texts, Direction.UP, wait)

    def revert(self, *texts: Text) -> list[Event]:
        """Revert `texts`, last first; return what was told."""
        return self._carry_out(texts, Direction.DOWN, PATIENCE)

    def _carry_out(self, texts: Sequence[Text], direction: Direction, wait: float) -> list[Event]:
        told: list[Event] = []
        carry_out(replace(self._order, texts=texts, direction=direction, wait=wait), told.append)
        return told

    def runner(
        self,
        *texts: Text,
        direction: Direction = Direction.UP,
        stop_at: str = "",
        stop_count: int = 1,
        who: str = "runner",
        wait: float = PATIENCE,
        rows: int = 0,
    ) -> Runner:
        """Start a runner that applies or reverts `texts` in a process of its own; see `runner.Order`."""
        order = replace(self._order, texts=texts, rows=rows, direction=direction, who=who, wait=wait)
        return Runner(replace(order, stop_at=stop_at, stop_count=stop_count))

    def kill(self, runner: Runner) -> None:
        """End a runner with SIGKILL, and let its lease be one whose holder has been silent for long enough.

        Raises AssertionError if it had ended by itself: nothing would be killed then.
        """
        assert runner.kill() == -signal.SIGKILL, "the runner ended before it was killed"
        self.harness.age_lease(self.settings)

    # what is seen

    def history(self) -> History:
        with self.connect() as session:
            return session.history()

    def revision(self, text: Text) -> Revision | None:
        return self.history().revision(text.version)

    @property
    def applied(self) -> list[str]:
        return [each.version for each in self.history().applied]

    def made(self) -> Collection[str]:
        return self.harness.made(self.settings)

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]:
        return self.harness.rows(self.settings, table)

    def audit(self) -> Sequence[str]:
        return self.harness.audit(self.settings)

    def hold(self) -> AbstractContextManager[Hold]:
        return self.harness.hold(self.settings)

    def break_lease(self) -> None:
        self.harness.break_lease(self.settings)

    def state(self) -> object:
        """Return schema and history without what differs from run to run: owners, times."""
        with self.connect() as session:
            history = session.history()
            schema = tuple(session.schema()) if isinstance(session, SupportsInspection) else ()
        recorded = [
            (each.version, each.name, each.checksum, each.phase, each.state) for each in history.revisions
        ]
        return sorted(self.made()), schema, recorded


def owner(who: str) -> Owner:
    return Owner(os.urandom(8).hex(), who)


def ignore(_: Event) -> None:
    """Listen to nothing."""


def rows(table: str, *values: tuple[int, str], columns: tuple[str, ...] = ("id", "name")) -> Rows:
    """Return part of a dataset: `values` are ids and names."""
    return Rows(f"seeds/{table}.csv", table, columns, values, ("id",), tuple(range(2, len(values) + 2)))


def dataset(*parts: Rows) -> Dataset:
    return Dataset(SeedKind.FIXTURE, parts)


class Runner:
    """A runner in a process of its own; killed at the end of the block if it still runs."""

    def __init__(self, order: Order) -> None:
        self._told: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._is_over = False
        self._process = popen(
            [sys.executable, "-m", "seedbed.testing.runner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        self._errors = ""
        for each in self._readers:
            each.start()
        assert self._process.stdin is not None
        self._process.stdin.write(order.to_json() + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._told.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self._errors = self._process.stderr.read()

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Return what it told of one kind so far."""
        with self._changed:
            return [each for each in self._told if each["event"] == kind]

    def wait_until(self, kind: str) -> None:
        """Wait until it told an event of this kind. Raises AssertionError when it ended without."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_over or any(each["event"] == kind for each in self._told), PATIENCE
            )
        assert self.told(kind), f"the runner told no {kind!r}: {self._told} {self._errors}"

    def wait_until_inside(self, hold: Hold) -> None:
        """Wait until the server is inside a step that waits. Raises AssertionError when that does not come."""
        until = time.monotonic() + PATIENCE
        while not hold.wait_until_inside(1.0):
            is_late = self._is_over or time.monotonic() > until
            assert not is_late, f"no step waits on the server: {self._told} {self._errors}"

    def wait_until_stopped(self) -> None:
        self.wait_until("stopped_at")

    def kill(self) -> int:
        """End it with SIGKILL if it has not ended, and return its exit code."""
        if self._process.poll() is None:
            self._process.kill()
        self._end()
        return self._process.wait()

    def freeze(self) -> None:
        """Stop it as a machine stops that goes to sleep: it notices nothing, until `thaw`."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._process.send_signal(signal.SIGCONT)

    def finish(self) -> str:
        """Wait until it ends by itself; return the name of the error that ended it, empty if all went well."""
        self._process.wait(PATIENCE)
        self._end()
        errors = self.told("error")
        assert errors or self.told("done"), f"the runner broke down: {self._errors}"
        return str(errors[0]["type"]) if errors else ""

    def _end(self) -> None:
        self._process.wait(PATIENCE)
        for each in self._readers:
            each.join(PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()
