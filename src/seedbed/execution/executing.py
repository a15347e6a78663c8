"""Carrying out plans: leases in id order, one worker per database, `after=` between them.

`apply` and `revert` are the same walk in two directions. Pending is computed twice: once to know which targets
have work, and again under their leases, because somebody else may have done it meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby

from msgspec import Struct, field

from seedbed.engines.base import Lease
from seedbed.engines.capabilities import SupportsExpectation
from seedbed.errors import ForeignTarget, LeaseLost, SeedbedError, Unreachable
from seedbed.execution import logins
from seedbed.execution.connecting import ConnectedTarget, has_history, identity, require_own
from seedbed.execution.context import RunContext
from seedbed.execution.recovery import advise
from seedbed.execution.stopping import Stop
from seedbed.execution.threads import side_by_side
from seedbed.model.event import TargetBound, TargetDone, TargetSkipped, WorkFinished
from seedbed.model.history import History
from seedbed.model.migration import Direction, MigrationRef, Work
from seedbed.model.plan import Action, DatabasePlan, Plan
from seedbed.support.extras import import_failure

Replan = Callable[[dict[str, History]], Plan]  # histories by database id -> the plan as of now


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
    connected: Sequence[ConnectedTarget],
    unreachable: Mapping[str, SeedbedError],
    replan: Replan,
    context: RunContext,
) -> Plan:
    """Carry out what `replan` says of the targets in `connected`, and return the plan that was carried out.

    `unreachable`: the errors of selected targets that did not answer, by id; what depends on them is skipped. What
    happens to single targets is emitted. Raises what `replan` raises: then nothing was touched.
    """
    plan = replan({target.id: target.history for target in connected})
    of_logins = logins.pending(connected) if plan.direction is Direction.UP else {}
    at_work = [
        target
        for target in connected
        if plan.of(target.id).actions or _is_to_bind(target, plan) or of_logins.get(target.id)
    ]
    failed = dict(unreachable)
    with ExitStack() as releasing:
        leases: dict[str, tuple[Lease, ExitStack]] = {}
        histories = {target.id: target.history for target in connected}
        for target in at_work:
            own = releasing.enter_context(ExitStack())
            try:
                lease = _lease(target, plan.of(target.id), context, own)
            except ForeignTarget:  # another target of this run is the same database
                raise
            except SeedbedError as error:
                _fail(target, error, own, failed, context)
                continue
            try:
                histories[target.id] = lease.history()
                leases[target.id] = lease, own
            except LeaseLost as error:
                _fail(target, _untouched(error), own, failed, context)
        require_own((target.target, histories[target.id]) for target in connected)
        if leases:
            plan = replan(histories)
        ledger = _ledger(plan, failed)
        workers = [
            _Worker(target, plan.of(target.id), *leases[target.id], ledger, context)
            if target.id in leases
            else _Idle(target, plan.of(target.id), context)
            for target in connected
            if target.id not in failed
        ]
        _raise_bugs(side_by_side([worker.run for worker in workers]))
    return plan


def _is_to_bind(target: ConnectedTarget, plan: Plan) -> bool:
    """Return whether an apply binds `target` although it has nothing else to do there: seeds go nowhere unbound."""
    if plan.direction is Direction.DOWN or target.history.identity is not None:
        return False
    return has_history(target)


def _lease(target: ConnectedTarget, plan: DatabasePlan, context: RunContext, closing: ExitStack) -> Lease:
    closing.enter_context(context.stop.watching(target.session))
    if plan.actions and isinstance(target.session, SupportsExpectation):
        target.session.expect(plan.works)
    return closing.enter_context(context.lease(target.id, target.session))


def _untouched(error: LeaseLost) -> Unreachable:
    """Return what it means that a lease went away before anything was written under it."""
    return Unreachable(error.what, because=error.because, try_="run the same command again")


def _fail(
    target: ConnectedTarget,
    error: SeedbedError,
    own: ExitStack,
    failed: dict[str, SeedbedError],
    context: RunContext,
) -> None:
    """Give back what was taken of a target on which nothing can be done, and tell it."""
    own.close()
    failed[target.id] = error
    context.fail(target.id, error)


def _ledger(plan: Plan, failed: Mapping[str, SeedbedError]) -> _Ledger:
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
    """A target without work: all that happens is that it is done."""

    target: ConnectedTarget
    plan: DatabasePlan
    context: RunContext

    def run(self) -> None:
        self.context.emit(_done(self.target, self.plan))


class _Worker(Struct):
    """Carries out one database's part of the plan, then gives its lease back."""

    target: ConnectedTarget
    plan: DatabasePlan
    lease: Lease
    closing: ExitStack
    ledger: _Ledger
    context: RunContext
    current: str = ""

    def run(self) -> None:
        try:
            with self.closing:
                self._bind()
                for group in _groups(self.plan.actions):
                    if because := self.ledger.wait(group[0].waits_for, self.context.stop):
                        self._skip(group[0], because)
                        return
                    self._apply(group)
            self.context.emit(_done(self.target, self.plan))
        except SeedbedError as error:
            self._give_up(f"{self.target.id} failed: {error.what}")
            self.context.fail(self.target.id, error, self.current)
        except BaseException as error:
            self._give_up(f"{self.target.id} failed")
            if (broken := import_failure(error)) is None:
                raise
            self.context.fail(self.target.id, broken, self.current)

    def _bind(self) -> None:
        if self.lease.history().identity is None:
            wanted = identity(self.target.target)
            self.lease.bind(wanted)
            self.context.emit(TargetBound(self.target.id, str(wanted)))

    def _apply(self, group: Sequence[Action]) -> None:
        self.context.stop.check()
        works = [Work(action.migration, action.direction) for action in group]
        self.current = works[0].migration.version
        try:
            for event in self.lease.apply(works):
                self.current = getattr(event, "version", self.current)
                self.context.emit(event)
                if isinstance(event, WorkFinished):
                    self.ledger.finish(MigrationRef(self.target.id, event.version))
                    self.current = ""
        except SeedbedError as error:
            advise(error, self.current, self.lease)
            raise

    def _skip(self, action: Action, because: str) -> None:
        self._give_up(f"{self.target.id} was skipped")
        left = [each for each in self.plan.actions if each.ref not in self.ledger.finished]
        self.context.emit(
            TargetSkipped(
                self.target.id,
                f"{action.migration.label}: {because}",
                tuple(each.migration.version for each in left),
            )
        )

    def _give_up(self, because: str) -> None:
        self.ledger.give_up([action.ref for action in self.plan.actions], because)


def _done(target: ConnectedTarget, plan: DatabasePlan) -> TargetDone:
    return TargetDone(target.id, tuple(each.ref.version for each in plan.deferred))


def _groups(actions: Sequence[Action]) -> Iterator[list[Action]]:
    """Yield runs of actions that an engine may be handed at once: only the first waits for another database."""
    numbered = []
    number = 0
    for action in actions:
        number += bool(action.waits_for)
        numbered.append((number, action))
    for _, group in groupby(numbered, key=lambda pair: pair[0]):
        yield [action for _, action in group]
