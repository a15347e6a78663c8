"""Carrying out a deployment: stack after stack, update after update; each ends and is ready before the next.

Updates are computed again before each of them, from what is deployed then. So a run that was killed anywhere goes on
when it is started again, and two runs at once do each other's work instead of colliding.
"""

from __future__ import annotations

import re
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct, field

from seedbed.deployment import adopting, bootstrap
from seedbed.deployment.assembly import Stack
from seedbed.deployment.child import ChildResult
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.managed import ManagedStack
from seedbed.deployment.plan import DeploymentPlan, collisions, require_possible
from seedbed.deployment.stacks import StackStatus, require_updatable
from seedbed.deployment.states import StackCondition
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
_LISTED = 3  # changes that are told of one update
# What the CLI says where another run executed, replaced or removed the change set that it was about to execute.
_RIVAL = re.compile(
    r"ChangeSetNotFound|InvalidChangeSetStatus|OBSOLETE|_IN_PROGRESS state|AlreadyExistsException"
)


def carry_out(plan: DeploymentPlan, *, jobs: int = 1) -> None:
    """Carry out a deployment; what happens to each stack is emitted, a failure as well.

    `jobs`: how many stacks may be updated side by side, where none of them needs another. Raises StepFailed where
    an account cannot be prepared, Interrupted.
    """
    context = plan.context
    for where in plan.deployment.bootstrap:
        first = plan.deployment.rollouts[0]
        waiter = context.waiter(plan.managed_stacks[first.stack])
        waiter.emitter(0)(f"preparing {where} for the CDK")
        needed = bootstrap.most_demanding(plan.chosen)
        bootstrap.carry_out(context.cli, context.cloud, where, needed, context.room, waiter.repeat)
    board = _Board()
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        # In the order of the assembly, so that whoever waits for another stack waits for one that has begun.
        for result in [pool.submit(_one, plan, stack, board) for stack in plan.chosen]:
            result.result()


class _Board(Struct):
    """Which stacks are done (True) or will never be (False), by id; workers wait here for each other."""

    ended: dict[str, bool] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

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
        run = _StackRun(context, stack, managed, plan.request.adopt, rollout.resumed)
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
    adopt: bool
    resumed: bool = False
    done: int = 0
    rivals: int = 0
    former: str = ""  # the last event before an update, where the one before that was rolled back
    sent: bool = False  # an update whose end is not known, or that could not be rolled back

    @property
    def is_touched(self) -> bool:
        """Whether anything that this run sent stays in the stack, or may."""
        return self.sent or self.done > 0

    def run(self) -> None:
        began, left, tries, told, adopted = time.monotonic(), 0, 0, False, False
        while True:
            deployed, moved = self._deployed()
            wanted = self.context.assembly.template(self.stack)
            updates = self.managed.updates(deployed, wanted)
            if not updates:
                break
            # Somebody may have deployed since the plan: what would be lost is told by what is there now.
            require_possible([(self.managed.target, each) for update in updates for each in update.changes])
            tries = tries + 1 if left and len(updates) >= left and not moved else 0
            if tries > _TRIES:
                raise StepFailed(
                    f"{self.stack.name} does not come closer to what it should be",
                    because=f"{len(updates)} updates are left, as before the last {_TRIES}",
                    try_="compare the deployed template with the app's: cdk diff",
                )
            left = len(updates)
            if not told:
                self._begin(updates, moved or self.resumed)
                told = True
            if (
                self.adopt
                and not adopted
                and (living := collisions(self.managed, deployed, updates[-1].template))
            ):
                self.sent = True  # an import is an update, too
                with tempfile.TemporaryDirectory(dir=self.context.room) as room:
                    adopting.adopt(
                        self.context, self.stack, self.managed, deployed, wanted, living, Path(room)
                    )
                adopted = True
                continue
            if self._update(updates[0], self.done + len(updates)):
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

    def _deployed(self) -> tuple[Template | None, bool]:
        """Return what is deployed once nothing is under way and all of it is ready, and whether anything was."""
        waiter = self.context.waiter(self.managed)
        current, moved = waiter.until_settled(self.done)
        require_updatable(current, self.context.stacks)
        if current.condition is StackCondition.ABSENT:
            return None, moved
        self.former = self._last_event() if "ROLLBACK" in current.status else ""
        deployed = self.context.stacks.template(self.stack.name)
        waiter.until_everything_ready(deployed, self.done)
        return deployed, moved

    def _update(self, update: StackUpdate, total: int) -> bool:
        """Make one update and wait for it; return whether it was made: False where another run was faster."""
        number, waiter = self.done + 1, self.context.waiter(self.managed)
        what = _words([change.what for change in update.changes])
        self._emit(number, what, self.done, total)
        self.sent = True
        result = self._submit(update.template)
        if result.code != 0:
            current = self.context.stacks.status(self.stack.name)
            self.sent = current.condition in {StackCondition.IN_PROGRESS, StackCondition.STUCK}
            if current.condition is StackCondition.IN_PROGRESS or self._is_rivalled(result):
                return False
            raise self._failed(result, current, number, total)
        self._emit(number, what, number, total)
        waiter.until_ready(update.waits_for, number)
        return True

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

    def _submit(self, template: Template) -> ChildResult:
        with tempfile.TemporaryDirectory(dir=self.context.room) as room:
            into = Path(room) / "assembly"
            self.context.assembly.write(self.stack, template, into)
            arguments = ["deploy", self.stack.id, "--app", str(into), "--exclusively"]
            arguments += ["--require-approval", "never", "--progress", "events"]
            # Under one name for all, a run would execute the change set of another.
            arguments += ["--change-set-name", f"seedbed-{uuid.uuid4().hex}"]
            return self.context.cli.run(
                arguments, cwd=into, cloud=self.context.cloud, tell=self.context.waiter(self.managed).repeat
            )

    def _failed(self, result: ChildResult, current: StackStatus, number: int, total: int) -> StepFailed:
        back = "ROLLBACK" in current.status or current.condition is StackCondition.STUCK
        back = back and self._last_event() != self.former
        which = f"update {number} of {total} of {self.stack.name}"
        reason = self.context.stacks.why(current) if back else ""
        collides = "already exists" in f"{reason} {' '.join(result.lines)}"
        return StepFailed(
            f"{which} failed: the stack is {current.status}" if back else f"{which} was not made",
            because=reason or result.last_lines,
            try_=Hint("take what is there already into the stack: ", call("deploy", "--import"))
            if collides
            else "fix what the reason names; the same command goes on from here",
        )


def _words(changes: Sequence[str]) -> str:
    """Return what an update does, in one line; of many changes the first few."""
    return listed(changes, _LISTED, separator="; ") or "other resources"
