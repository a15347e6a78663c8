"""Deleting stacks: each as soon as all that import from it are gone, independent ones side by side.

CloudFormation deletes, we follow. Nothing is noted down: a run that was killed is started again, finds what is left by
the same tags, and follows what is under way.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from graphlib import TopologicalSorter

from msgspec import Struct

from seedbed.deployment import emptying
from seedbed.deployment.destroy import DestroyPlan, Removal
from seedbed.deployment.stacks import StackEvent, StackStatus
from seedbed.deployment.states import StackCondition
from seedbed.errors import Interrupted, Refused, SeedbedError, StepFailed, Unavailable
from seedbed.model.environment import require_ephemeral
from seedbed.model.event import (
    DeployFinished,
    DeployProgressed,
    DeployStarted,
    TargetDone,
    TargetSkipped,
    failure,
)

PAUSES = (30.0, 45.0, 60.0, 60.0, 60.0)  # seconds before a stack is deleted again
_POLL, _SLOWEST = 1.0, 10.0  # seconds between two looks, at first and in the end
_SILENCE = 60.0  # seconds that a deletion may take to begin
# What AWS says of a network whose interfaces are still there: those of a database are released minutes after it.
_LATE = re.compile(
    r"DependencyViolation|has a dependent object|has dependencies and cannot be deleted|mapped public address"
)
_FILLED = re.compile(r"bucket you tried to delete is not empty|BucketNotEmpty")
_IMPORTED = re.compile(r"imported by|in use by")


class Clock(Struct, frozen=True):
    """`now` in seconds; `sleep` for so many."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def carry_out(plan: DestroyPlan, clock: Clock | None = None) -> None:
    """Delete the stacks of a plan. What happens is emitted, failures as well.

    Raises Refused outside ephemeral environments.
    """
    require_ephemeral(plan.scope.environment, "destroy")
    clock = clock or Clock()
    for target in plan.gone:
        plan.listener(TargetDone(target))
    sorter = TopologicalSorter({each.stack.id: each.after for each in plan.removals})
    sorter.prepare()
    known = {each.stack.id: each for each in plan.removals}
    left, active, pause = dict(known), list[_Deletion](), _POLL
    failed = False
    while True:
        active += [_Deletion(plan, clock, known[id_], clock.now()) for id_ in sorter.get_ready()]
        ended = [each for each in active if each.has_ended()]
        for each in ended:
            active.remove(each)
            failed = failed or each.failed
            if not each.failed:
                sorter.done(each.removal.stack.id)
                del left[each.removal.stack.id]
        if ended:
            pause = _POLL
        elif active:
            _rest(plan, clock, pause)
            pause = min(_SLOWEST, pause * 1.2)
        else:
            break
    _tell_skipped(plan, left, known)
    if plan.removals and not failed:
        _tell_new(plan)


def _rest(plan: DestroyPlan, clock: Clock, pause: float) -> None:
    """Return after `pause` seconds, or soon after a stop was asked for: whoever asked waits for us."""
    until = clock.now() + pause
    with suppress(Interrupted):
        while (left := until - clock.now()) > 0:
            clock.sleep(min(left, _POLL))
            plan.stop.check()


def _tell_skipped(plan: DestroyPlan, left: dict[str, Removal], known: dict[str, Removal]) -> None:
    """Emit which stacks were not begun with, because of which other one."""
    for each in plan.removals:
        if blockers := [known[id_].stack.name for id_ in each.after if id_ in left]:
            plan.listener(TargetSkipped(each.target, f"{blockers[0]} is still there and uses what it has"))


def _tell_new(plan: DestroyPlan) -> None:
    """Emit as failures the stacks that somebody made while others were deleted."""
    try:
        gone = {each.stack.id for each in plan.removals}
        new = [each for each in plan.scope.found(plan.stacks) if each.id not in gone]
    except SeedbedError:
        return  # all that was there is gone, and that was asked for
    for each in new:
        error = StepFailed(
            f"stack {each.name} was made while the others were deleted",
            because=f"it is {each.status}: another run deploys the environment",
            try_="wait for that run, then the same command again",
        )
        plan.listener(failure(each.name, error, environment=plan.scope.environment.name))


class _Deletion(Struct):
    """One stack on its way.

    `sent`: when its deletion was asked for, or found under way. `again`: when it is to be asked for again. `tries`: how
    often that was so. `asked`: whether this run asked. `before`: the last event before it did. `partly`: a deletion
    failed after it had begun.
    """

    plan: DestroyPlan
    clock: Clock
    removal: Removal
    began: float
    sent: float | None = None
    again: float | None = None
    tries: int = 0
    asked: bool = False
    before: str = ""
    partly: bool = False
    failed: bool = False
    last: str = ""

    def has_ended(self) -> bool:
        """Take the next step, and return whether that was the last: then the stack is gone, or `failed`."""
        target = self.removal.target
        try:
            self.plan.stop.check()
            if not self._is_gone():
                return False
        except SeedbedError as error:
            self.failed = True
            failed = self.plan.stop.mark(error)
            environment = self.plan.scope.environment.name
            self.plan.listener(failure(target, failed, touched=self.asked, environment=environment))
            return True
        if self.sent is not None:
            seconds = self.clock.now() - self.began
            self.plan.listener(DeployFinished(target, self.removal.stack.name, 1, seconds))
        self.plan.listener(TargetDone(target))
        return True

    def _is_gone(self) -> bool:
        if self.again is not None and self.clock.now() < self.again:
            return False
        current = self.plan.stacks.status(self.removal.stack.id)
        if not current.exists:
            return True
        is_deletion = current.status == "DELETE_IN_PROGRESS"
        if is_deletion and self.sent is None:
            self._begin(resumed=True)
        if current.condition is StackCondition.IN_PROGRESS:
            if is_deletion:
                self.again = None
            self._follow(current)
        elif self.sent is None or self.again is not None:
            self._delete(current)
        elif self._last_event() == self.before:  # nothing happened yet
            if self.clock.now() - self.sent > _SILENCE:
                raise self._not_deleted(current)
        else:
            self._later(current, self.plan.stacks.failures(current))
        return False

    @property
    def _is_control(self) -> bool:
        return self.removal.stack.name == self.plan.scope.control

    def _begin(self, *, resumed: bool) -> None:
        if self.sent is None:
            name = self.removal.stack.name
            what = (f"delete {name}",)
            self.plan.listener(DeployStarted(self.removal.target, name, 0, what, resumed=resumed))
        self.sent, self.again, self.last = self.clock.now(), None, ""

    def _delete(self, current: StackStatus) -> None:
        self._begin(resumed=False)
        if self._is_control:
            emptying.empty(self.plan.stacks, current, self._emptied, self.plan.stop.check)
        self.before = self._last_event()
        try:
            self.plan.stacks.delete(current)
            self.asked = True
        except Refused as error:
            if not _IMPORTED.search(error.because) or not self._pause("another stack still imports from it"):
                raise StepFailed(
                    f"stack {self.removal.stack.name} was not deleted",
                    because=error.because,
                    try_="delete what the reason names first; then the same command again",
                ) from None

    def _emptied(self, what: str) -> None:
        self.asked = True
        self._tell(what)

    def _follow(self, current: StackStatus) -> None:
        """Tell what happens to a stack. Raises Unavailable once it has taken too long."""
        last = next(self.plan.stacks.events(current.id), None)
        if last and last.id != self.last:
            self.last = last.id
            self._tell(f"{current.status}, {last}")
        if self.clock.now() - (self.sent or self.began) > self.plan.scope.wait:
            raise Unavailable(
                f"stack {self.removal.stack.name} is still {current.status} after {self.plan.scope.wait:.0f} s",
                because=current.state.means,
                try_="the same command again follows it on; --wait says for how long",
            )

    def _later(self, current: StackStatus, failures: Sequence[StackEvent]) -> None:
        """Have a deletion that failed tried again, if all that failed may be free by then. Raises StepFailed."""
        self.partly = self.partly or current.status == "DELETE_FAILED"
        self.asked = self.asked and self.partly  # CloudFormation may call a deletion off before it begins
        reasons = [each.reason for each in failures if each.type != "AWS::CloudFormation::Stack"]
        if reasons and all(_LATE.search(each) for each in reasons):
            what = "AWS releases network interfaces late"
        elif reasons and self._is_control and all(_FILLED.search(each) for each in reasons):
            what = "something was written into its bucket meanwhile"
        elif _IMPORTED.search(current.reason):
            what = "another stack still imports from it"
        else:
            raise self._not_deleted(current)
        if not self._pause(what):
            raise self._not_deleted(current)

    def _pause(self, why: str) -> bool:
        """Return whether there is one more try, and have it wait."""
        if self.tries == len(PAUSES):
            return False
        pause = PAUSES[self.tries]
        self.tries += 1
        self.again = self.clock.now() + pause
        self._tell(f"{why}: deleted again in {pause:.0f} s ({self.tries} of {len(PAUSES)})")
        return True

    def _last_event(self) -> str:
        last = next(self.plan.stacks.events(self.removal.stack.id), None)
        return last.id if last else ""

    def _tell(self, what: str) -> None:
        self.plan.listener(DeployProgressed(self.removal.target, self.removal.stack.name, 0, what))

    def _not_deleted(self, current: StackStatus) -> StepFailed:
        name = self.removal.stack.name
        tried = f" after {self.tries + 1} tries" if self.tries else ""
        return StepFailed(
            f"stack {name} was not deleted{tried}: it is {current.status}",
            because=self.plan.stacks.why(current),
            try_="empty or release what the reason names, then the same command again; what is to stay: aws "
            f"cloudformation delete-stack --stack-name {name} --retain-resources LOGICAL_ID",
        )
