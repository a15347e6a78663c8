"""Carrying out plans: leases in id order, one worker per database, `after=` between them.

`apply` and `revert` are the same walk in two directions. Pending is computed twice: once to know which targets
have work, and again under their leases, because somebody else may have done it meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import groupby

from msgspec import Struct, field

from seedbed.engines.base import Lease
from seedbed.errors import SeedbedError
from seedbed.execution.connecting import Connected, identity, refuse_foreign
from seedbed.execution.stopping import Stop
from seedbed.execution.threads import side_by_side
from seedbed.model.event import (
    Event,
    Listener,
    TargetDone,
    TargetSkipped,
    TargetStamped,
    WorkFinished,
    failure,
)
from seedbed.model.history import History, Owner
from seedbed.model.migration import MigrationRef, Work
from seedbed.model.plan import Action, DatabasePlan, Plan

Replan = Callable[[dict[str, History]], Plan]  # histories by database id -> the plan as of now


class Leasing(Struct, frozen=True):
    """How leases are taken: in whose name, waiting how many seconds for another run."""

    owner: Owner
    wait: float


class _Ledger(Struct):
    """Which migrations of this run are recorded, and which will never be; workers wait here for each other."""

    finished: set[MigrationRef] = field(default_factory=set)
    given_up: dict[MigrationRef, str] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def finish(self, ref: MigrationRef) -> None:
        with self.changed:
            self.finished.add(ref)
            self.changed.notify_all()

    def give_up(self, refs: Sequence[MigrationRef], because: str) -> None:
        with self.changed:
            self.given_up.update((ref, because) for ref in refs if ref not in self.finished)
            self.changed.notify_all()

    def wait(self, refs: Sequence[MigrationRef], stop: Stop) -> str:
        """Return once all `refs` are recorded: empty; or why one of them never will be."""
        with self.changed:
            while True:
                for ref in refs:
                    if ref in self.given_up:
                        return f"it comes after {ref}, and {self.given_up[ref]}"
                if all(ref in self.finished for ref in refs):
                    return ""
                self.changed.wait(0.5)
                stop.check()


def carry_out(
    reached: Sequence[Connected],
    failed: dict[str, SeedbedError],
    replan: Replan,
    leasing: Leasing,
    listener: Listener,
    stop: Stop,
) -> Plan:
    """Carry out what `replan` says of the targets in `reached`, and return the plan that was carried out.

    What happens to single targets is told to `listener`. Raises what `replan` raises: then nothing was touched.
    """
    plan = replan({each.id: each.history for each in reached})
    at_work = [each for each in reached if plan.of(each.id).actions]
    with ExitStack() as releasing:
        leases: dict[str, tuple[Lease, ExitStack]] = {}
        for each in at_work:
            with suppress(_TargetLost):
                leases[each.id] = _lease(each, leasing, listener, stop, failed, releasing)
        histories = {
            each.id: leases[each.id][0].history() if each.id in leases else each.history for each in reached
        }
        for each in reached:
            refuse_foreign(each.target, histories[each.id])
        if leases:
            plan = replan(histories)
        ledger = _ledger(plan, failed)
        workers = [
            _Worker(each, plan.of(each.id), *leases[each.id], ledger, listener, stop)
            if each.id in leases
            else _Idle(each, plan.of(each.id), listener)
            for each in reached
            if each.id not in failed
        ]
        _raise_bugs(side_by_side([worker.run for worker in workers]))
    return plan


class _TargetLost(Exception):
    """A target that had work is out; it was told to the listener already."""


def _lease(
    each: Connected,
    leasing: Leasing,
    listener: Listener,
    stop: Stop,
    failed: dict[str, SeedbedError],
    releasing: ExitStack,
) -> tuple[Lease, ExitStack]:
    def listening(event: Event) -> None:
        listener(event)
        stop.check()

    own = ExitStack()
    releasing.push(own)
    try:
        stop.check()
        own.enter_context(stop.watching(each.session))
        context = each.session.lease(leasing.owner, wait=leasing.wait, listener=listening)
        return own.enter_context(context), own
    except SeedbedError as error:
        own.close()
        failed[each.id] = error
        listener(failure(each.id, stop.mark(error)))
        raise _TargetLost from None


def _ledger(plan: Plan, failed: dict[str, SeedbedError]) -> _Ledger:
    ledger = _Ledger()
    for database in plan.databases:
        if database.database in failed:
            refs = [action.ref for action in database.actions]
            ledger.give_up(refs, f"{database.database} failed: {failed[database.database].what}")
    return ledger


def _raise_bugs(results: Sequence[BaseException | None]) -> None:
    for result in results:
        if isinstance(result, BaseException):
            raise result


class _Idle(Struct):
    """A target without work: it is told that it is done."""

    connected: Connected
    plan: DatabasePlan
    listener: Listener

    def run(self) -> None:
        self.listener(TargetDone(self.connected.id, tuple(each.ref.version for each in self.plan.held)))


class _Worker(Struct):
    """Carries out one database's part of the plan, then gives its lease back."""

    connected: Connected
    plan: DatabasePlan
    lease: Lease
    closing: ExitStack
    ledger: _Ledger
    listener: Listener
    stop: Stop
    current: str = ""

    def run(self) -> None:
        try:
            with self.closing:
                self._stamp()
                for group in _groups(self.plan.actions):
                    if because := self.ledger.wait(group[0].waits_for, self.stop):
                        self._skip(group[0], because)
                        return
                    self._apply(group)
            self.listener(TargetDone(self.connected.id, tuple(each.ref.version for each in self.plan.held)))
        except SeedbedError as error:
            self._give_up(f"{self.connected.id} failed: {error.what}")
            self.listener(failure(self.connected.id, self.stop.mark(error), self.current))
        except BaseException:
            self._give_up(f"{self.connected.id} failed")
            raise

    def _stamp(self) -> None:
        if self.plan.actions and self.lease.history().identity is None:
            wanted = identity(self.connected.target)
            self.lease.stamp(wanted)
            self.listener(TargetStamped(self.connected.id, str(wanted)))

    def _apply(self, group: Sequence[Action]) -> None:
        self.stop.check()
        works = [Work(action.migration, action.direction) for action in group]
        self.current = works[0].migration.version
        for event in self.lease.apply(works):
            self.current = getattr(event, "version", self.current)
            self.listener(event)
            if isinstance(event, WorkFinished):
                self.ledger.finish(MigrationRef(self.connected.id, event.version))
                self.current = ""

    def _skip(self, action: Action, because: str) -> None:
        self._give_up(f"{self.connected.id} was skipped")
        left = [each for each in self.plan.actions if each.ref not in self.ledger.finished]
        self.listener(
            TargetSkipped(
                self.connected.id,
                f"{action.migration.label}: {because}",
                tuple(each.migration.version for each in left),
            )
        )

    def _give_up(self, because: str) -> None:
        self.ledger.give_up([action.ref for action in self.plan.actions], because)


def _groups(actions: Sequence[Action]) -> Iterator[list[Action]]:
    """Yield runs of actions that an engine may be handed at once: only the first waits for another database."""
    numbered = []
    number = 0
    for action in actions:
        number += bool(action.waits_for)
        numbered.append((number, action))
    for _, group in groupby(numbered, key=lambda pair: pair[0]):
        yield [action for _, action in group]
