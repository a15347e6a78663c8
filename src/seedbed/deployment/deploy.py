"""Carrying out a deployment: stack after stack, update after update; each ends and is ready before the next.

Updates are computed again before each of them, from what is deployed then. So a run that was killed anywhere goes on
when it is started again, and two runs at once do each other's work instead of colliding. An update is a change set:
the CDK CLI makes it, what it would do is read, and only then it is executed.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field

from seedbed.aws.cloud import Cloud
from seedbed.deployment import adopting, bootstrap, change_sets
from seedbed.deployment.assembly import Stack
from seedbed.deployment.change_sets import ChangeSet, ChangeSets
from seedbed.deployment.child import ChildResult, StopSignal
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.durations import longest_first, minutes
from seedbed.deployment.managed import ManagedStack, Resource
from seedbed.deployment.plan import DeploymentPlan, collisions, physical_name, require_possible
from seedbed.deployment.reading import stale
from seedbed.deployment.request import DeployRequest
from seedbed.deployment.roles import Deployers
from seedbed.deployment.stack_owner import require_own
from seedbed.deployment.stack_plans import require_as_reviewed
from seedbed.deployment.stacks import Stacks, StackStatus, require_updatable
from seedbed.deployment.states import SUCCEEDED, StackCondition
from seedbed.deployment.updates import StackUpdates, tags_to_set, updates_of
from seedbed.errors import Hint, SeedbedError, StepFailed, call
from seedbed.model.deployment import StackUpdate, Template
from seedbed.model.event import (
    DeployFinished,
    DeployProgressed,
    DeployStarted,
    TargetDone,
    TargetSkipped,
    failure,
)
from seedbed.support.phrases import listed

_TRIES = 5  # how often in a row another run may be faster, or an update may lead nowhere
_LOOK = 0.2  # seconds between two looks whether a stop was asked for
_LISTED = 3  # changes that are told of one update
_MOST = 8  # stacks that are updated side by side, unless more are asked for
_CHILDREN = max(2, os.cpu_count() or 2)  # CDK CLIs at once: each takes a processor for seconds
# What the CLI says where another run began an update, or replaced or removed the change set, while it made one.
_RIVAL = re.compile(
    r"ChangeSetNotFound|InvalidChangeSetStatus|OBSOLETE|_IN_PROGRESS state|AlreadyExistsException"
)


def carry_out(plan: DeploymentPlan, *, jobs: int | None = None) -> None:
    """Carry out a deployment; what happens to each stack is emitted, a failure as well.

    `jobs`: how many stacks may be updated side by side, where none of them needs another; None: all that can be, but
    no more than eight. Raises StepFailed where an account cannot be prepared, Interrupted.
    """
    context = plan.context
    for where in plan.deployment.bootstrap:
        first = plan.deployment.rollouts[0]
        waiter = context.waiter(plan.managed_stacks[first.stack])
        waiter.emitter(0)(f"preparing {where} for the CDK")
        needed = bootstrap.most_demanding(plan.chosen)
        bootstrap.carry_out(context.cli, context.cloud, where, needed, context.room, waiter.repeat)
    board = _Board()
    with ThreadPoolExecutor(jobs or min(_MOST, independent(plan.chosen))) as pool:
        for result in [pool.submit(_one, plan, stack, board) for stack in _in_order(plan)]:
            result.result()


def _in_order(plan: DeploymentPlan) -> list[Stack]:
    """Return the stacks of a plan, those first that take longest with all that waits for them."""
    template = plan.context.assembly.template
    return longest_first(plan.chosen, lambda each: minutes(template(each)))


def independent(stacks: Sequence[Stack]) -> int:
    """Return how many of `stacks`, each after those that it depends on, can be updated side by side; at least 1."""
    depth: dict[str, int] = {}
    for each in stacks:
        depth[each.id] = 1 + max((depth.get(other, 0) for other in each.depends), default=0)
    return max(Counter(depth.values()).values(), default=1)


class _Board(Struct):
    """Which stacks are done (True) or will never be (False), by id; workers wait here for each other.

    `children`: held while a CDK CLI is at work.
    """

    ended: dict[str, bool] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    children: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_CHILDREN))
    deployers: Deployers = field(default_factory=Deployers)

    def end(self, stack: Stack, well: bool) -> None:
        with self.changed:
            self.ended[stack.id] = well
            self.changed.notify_all()

    def broken(self, stack: Stack, among: Sequence[str]) -> str:
        """Return which of the stacks that `stack` depends on failed, once all of them have ended; "" for none."""
        needed = [each for each in stack.depends if each in among]
        with self.changed:
            self.changed.wait_for(lambda: all(each in self.ended for each in needed))
            return next((each for each in needed if not self.ended[each]), "")


def _one(plan: DeploymentPlan, stack: Stack, board: _Board) -> None:
    managed, context = plan.managed_stacks[stack.name], plan.context
    well, run = False, None
    try:
        if broken := board.broken(stack, [each.id for each in plan.chosen]):
            context.listener(TargetSkipped(managed.target, f"it needs {broken}, which failed"))
            return
        rollout = next(each for each in plan.deployment.rollouts if each.stack == stack.name)
        run = _StackRun(context, stack, managed, plan.request, board, rollout.resumed)
        run.run()
        well = True
    except SeedbedError as error:
        touched = run is not None and run.is_touched
        failed = context.stop.mark(error)
        context.listener(
            failure(managed.target, failed, touched=touched, environment=context.environment.name)
        )
    finally:
        board.end(stack, well)


class _StackRun(Struct):
    """One stack on its way."""

    context: DeploymentContext
    stack: Stack
    managed: ManagedStack
    request: DeployRequest
    board: _Board
    resumed: bool = False
    done: int = 0
    rivals: int = 0
    former: str = ""  # the last event before an update, where the one before that was rolled back
    sent: bool = False  # an update whose end is not known, or that could not be rolled back
    imported: bool = False  # what was there already was taken in
    idle: tuple[Template, Template | None] | None = None  # an update that changes nothing, and from what

    @property
    def is_touched(self) -> bool:
        """Whether anything that this run sent stays in the stack, or may."""
        return self.sent or self.imported or self.done > 0

    def run(self) -> None:
        began, left, tries, told, adopted = time.monotonic(), 0, 0, False, False
        while True:
            current, deployed, moved = self._deployed()
            wanted = self.context.assembly.template(self.stack)
            changed = stale(self.context.stacks, current, deployed)
            found = updates_of(self.stack, self.managed, current, deployed, wanted, changed)
            if not (updates := found.updates):
                break
            # Somebody may have deployed since the plan: what would be lost is told by what is there now.
            self._require_allowed(deployed, wanted, found)
            if len(updates) == 1 and self.idle == (updates[0].template, deployed):
                break  # a description, say: CloudFormation sees no difference, and keeps the template that it has
            tries = tries + 1 if left and len(updates) >= left and not moved else 0
            if tries > _TRIES:
                raise StepFailed(
                    f"{self.stack.name} does not come closer to what it should be",
                    because=f"{len(updates)} updates are left, as before the last {_TRIES}",
                    try_="compare the deployed template with the app's: cdk diff",
                )
            left = len(updates)
            if not told:
                ChangeSets(self._deployer()).delete_left(self.stack.name)
                self._begin(updates, moved or self.resumed)
                told = True
            if (
                self.request.adopt
                and not adopted
                and (living := collisions(self.managed, deployed, updates[-1].template))
            ):
                adopted = self._adopt(living, current, deployed, wanted)
                continue
            if self._update(updates[0], current, deployed, self.done + len(updates)):
                self.done, self.sent = self.done + 1, False
        if told:
            self.context.listener(
                DeployFinished(self.managed.target, self.stack.name, self.done, time.monotonic() - began)
            )
        self.context.listener(TargetDone(self.managed.target))

    def _begin(self, updates: Sequence[StackUpdate], resumed: bool) -> None:
        changes = tuple(change.what for update in updates for change in update.changes)
        self.context.listener(
            DeployStarted(self.managed.target, self.stack.name, len(updates), changes, resumed=resumed)
        )

    def _require_allowed(self, deployed: Template | None, wanted: Template, found: StackUpdates) -> None:
        require_possible([(self.managed.target, each) for update in found.updates for each in update.changes])
        if self.request.reviewed:
            require_as_reviewed(self.request.reviewed, self.stack, deployed, wanted, found)

    def _deployed(self) -> tuple[StackStatus, Template | None, bool]:
        """Return the stack, what is deployed once nothing is under way and all is ready, and whether anything was."""
        waiter = self.context.waiter(self.managed)
        current, moved = waiter.until_settled(self.done)
        require_own(current, self.context.tags)  # it may have been made since the plan, by somebody else
        require_updatable(current, self.context.stacks)
        if current.condition is StackCondition.ABSENT:
            return current, None, moved
        self.former = self._last_event() if "ROLLBACK" in current.status else ""
        deployed = self.context.stacks.template(self.stack.name)
        waiter.until_everything_ready(deployed, self.done)
        return current, deployed, moved

    def _update(
        self, update: StackUpdate, current: StackStatus, deployed: Template | None, total: int
    ) -> bool:
        """Make one update and wait for it; return whether it was made: False where another run was faster."""
        number = self.done + 1
        what = _words([change.what for change in update.changes])
        self._emit(number, what, self.done, total)
        before = self._last_event() if current.exists else ""
        if not self._begun(update, current, deployed, total):
            return False
        waiter = self.context.waiter(self.managed)
        ended = waiter.until_ended(number, before)
        if ended.status not in SUCCEEDED:
            self.sent = ended.condition is StackCondition.STUCK
            raise self._failed("", ended, number, total)
        self._emit(number, what, number, total)
        waiter.until_ready(update.waits_for, number)
        return True

    def _begun(
        self, update: StackUpdate, current: StackStatus, deployed: Template | None, total: int
    ) -> bool:
        """Have an update begin; return False where another run was faster, so that what is left is computed anew."""
        if update.sets_tags:
            self.sent = True
            return Stacks(self._deployer()).set_tags(current, tags_to_set(self.stack, current))
        gone = set((deployed or {}).get("Resources", {})) - set(update.template.get("Resources", {}))
        return self._executed(
            update.template,
            deployed,
            lambda found: change_sets.require_harmless(
                found, self.context.environment, self.request.reviewed, gone
            ),
            lambda said, current: self._failed(said, current, self.done + 1, total),
        )

    def _adopt(
        self,
        living: Mapping[str, Resource],
        current: StackStatus,
        deployed: Template | None,
        wanted: Template,
    ) -> bool:
        """Take what lives into the stack; return whether that was done: False where another run was faster."""
        waiter = self.context.waiter(self.managed)
        waiter.emitter(0)(f"importing {', '.join(physical_name(*each) for each in living.items())}")
        before = self._last_event() if current.exists else ""
        is_begun = self._executed(
            adopting.importing(deployed, wanted, living),
            deployed,
            lambda found: adopting.require_only_imports(found, living),
            self._not_imported,
            adopting.OPTION,
        )
        if not is_begun:
            return False
        ended = waiter.until_ended(0, before)
        if ended.status not in SUCCEEDED:
            self.sent = ended.condition is StackCondition.STUCK
            raise self._not_imported("", ended)
        self.imported, self.sent = True, False
        return True

    def _not_imported(self, said: str, current: StackStatus) -> StepFailed:
        return StepFailed(
            f"what is there already could not be imported into {self.stack.name}",
            because=said or self.context.stacks.why(current),
            try_="look at what the reason names; a resource can be in one stack only",
        )

    def _executed(
        self,
        template: Template,
        deployed: Template | None,
        require: Callable[[ChangeSet], None],
        failed: Callable[[str, StackStatus], StepFailed],
        *options: str,
    ) -> bool:
        """Have a change set made, read and executed; return False where another run was faster.

        `require` raises for one that does what it should not: it is deleted. `failed` returns the error for one that
        could not be made, from what the CDK CLI said. `options`: more for the CDK CLI.
        """
        name = change_sets.new_name()
        result = self._prepare(template, name, *options)
        if result.code != 0:
            found = self.context.stacks.status(self.stack.name)
            if found.condition is StackCondition.IN_PROGRESS or self._is_rivalled(result):
                return False
            raise failed(result.last_lines, found)
        sets = ChangeSets(self._deployer())
        change_set = sets.read(self.stack.name, name, deployed)
        if change_set is None:
            return False
        keeps = False
        try:
            if change_set.is_empty:
                self.idle = template, deployed
                return False
            require(change_set)
            self.context.stop.check()
            self.sent = keeps = True  # whatever becomes of the answer
            keeps = _stoppable(lambda: sets.execute(change_set), self.context.stop)
            return keeps
        finally:
            if not keeps:
                with suppress(SeedbedError):  # else the next run does it
                    sets.delete(self.stack.name, name)

    def _deployer(self) -> Cloud:
        return self.board.deployers.of(self.context.cloud, self.stack)

    def _is_rivalled(self, result: ChildResult) -> bool:
        """Return whether another run was faster, as long as that does not happen for ever."""
        self.rivals += 1
        return self.rivals <= _TRIES and any(_RIVAL.search(each) for each in result.lines)

    def _emit(self, number: int, what: str, done: int, total: int) -> None:
        self.context.listener(
            DeployProgressed(self.managed.target, self.stack.name, number, what, done, total, "updates")
        )

    def _last_event(self) -> str:
        last = next(self.context.stacks.events(self.stack.name), None)
        return last.id if last else ""

    def _prepare(self, template: Template, name: str, *options: str) -> ChildResult:
        """Have the CDK CLI make the change set `name`: assets, parameters and roles are its business."""
        with self.board.children, tempfile.TemporaryDirectory(dir=self.context.room) as room:
            into = Path(room) / "assembly"
            self.context.assembly.write(self.stack, template, into)
            arguments = ["deploy", self.stack.id, "--app", str(into), "--exclusively"]
            arguments += ["--require-approval", "never", "--progress", "events"]
            arguments += ["--method", "prepare-change-set", "--change-set-name", name, *options]
            return self.context.cli.run(
                arguments, cwd=into, cloud=self.context.cloud, tell=self.context.waiter(self.managed).repeat
            )

    def _failed(self, said: str, current: StackStatus, number: int, total: int) -> StepFailed:
        back = "ROLLBACK" in current.status or current.condition is StackCondition.STUCK
        back = back and self._last_event() != self.former
        which = f"update {number} of {total} of {self.stack.name}"
        reason = self.context.stacks.why(current) if back else ""
        collides = "already exists" in f"{reason} {said}"
        return StepFailed(
            f"{which} failed: the stack is {current.status}" if back else f"{which} was not made",
            because=reason or said,
            try_=Hint("take what is there already into the stack: ", call("deploy", "--import"))
            if collides
            else "fix what the reason names; the same command goes on from here",
        )


def _stoppable(ask: Callable[[], bool], stop: StopSignal) -> bool:
    """Return what `ask` returns, once its answer is here. Raises Interrupted as soon as a stop is asked for."""
    asked = Future[bool]()

    def answer() -> None:
        try:
            asked.set_result(ask())
        except BaseException as error:  # noqa: BLE001  raised below
            asked.set_exception(error)

    threading.Thread(target=answer, daemon=True).start()
    while not wait([asked], timeout=_LOOK).done:
        stop.check()
    return asked.result()


def _words(changes: Sequence[str]) -> str:
    """Return what an update does, in one line; of many changes the first few."""
    return listed(changes, _LISTED, separator="; ") or "other resources"
