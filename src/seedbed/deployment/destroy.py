"""Deleting stacks, in ephemeral environments only: the CDK CLI deletes, we follow it to the end."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import Struct

from seedbed.deployment.assembly import Stack
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.managed import ManagedStack, unmanaged_stack
from seedbed.deployment.stacks import StackStatus
from seedbed.deployment.synthesis import require_same_account
from seedbed.errors import SeedbedError, StepFailed
from seedbed.model.environment import require_ephemeral
from seedbed.model.event import DeployFinished, DeployStarted, TargetDone, TargetSkipped, failure
from seedbed.model.migration import Phase


class DestroyPlan(Struct, frozen=True):
    """Stacks that are to go, in that order, each with what is known of it. `gone`: targets whose stack is not there."""

    context: DeploymentContext
    stacks: tuple[tuple[Stack, ManagedStack], ...]
    gone: tuple[str, ...] = ()


def plan_destroy(
    context: DeploymentContext, managed_stacks: Sequence[ManagedStack], chosen: Sequence[Stack]
) -> DestroyPlan:
    """Return those of `chosen` that exist, what depends on others first. Raises Refused."""
    require_ephemeral(context.environment, "destroy")
    require_same_account(chosen, context.cloud, context.account, context.environment.name)
    known = {each.stack: each for each in managed_stacks}
    pairs = [
        (each, known.get(each.name, unmanaged_stack(each.name, Phase.CONTRACT))) for each in reversed(chosen)
    ]
    there = tuple(each for each in pairs if _exists(context.stacks.status(each[0].name)))
    return DestroyPlan(context, there, tuple(each[1].target for each in pairs if each not in there))


def _exists(current: StackStatus) -> bool:
    return current.status not in {"", "DELETE_COMPLETE"}


def carry_out(plan: DestroyPlan) -> None:
    """Delete the stacks, one after another. What happens is emitted; the first failure ends it."""
    require_ephemeral(plan.context.environment, "destroy")
    for target in plan.gone:
        plan.context.listener(TargetDone(target))
    for position, (stack, managed) in enumerate(plan.stacks):
        try:
            _one(plan.context, stack, managed)
        except SeedbedError as error:
            plan.context.listener(failure(managed.target, plan.context.stop.mark(error)))
            for _, other in plan.stacks[position + 1 :]:
                plan.context.listener(TargetSkipped(other.target, f"{stack.name} is still there"))
            return
        plan.context.listener(TargetDone(managed.target))


def _one(context: DeploymentContext, stack: Stack, managed: ManagedStack) -> None:
    began, waiter = time.monotonic(), context.waiter(managed)
    current, moved = waiter.until_settled(0)
    if not _exists(current):
        return
    context.listener(DeployStarted(managed.target, stack.name, 0, (f"delete {stack.name}",), resumed=moved))
    result = context.cli.run(
        ["destroy", stack.id, "--app", str(context.assembly.directory), "--exclusively", "--force"],
        cwd=context.room,
        cloud=context.cloud,
        tell=waiter.repeat,
    )
    after, _ = waiter.until_settled(1)
    if _exists(after):
        raise StepFailed(
            f"stack {stack.name} was not deleted: it is {after.status}",
            because=context.stacks.why(after) or result.last_lines,
            try_=after.state.way.format(stack=stack.name)
            or "fix what the reason names; the same command again",
        )
    context.listener(DeployFinished(managed.target, stack.name, 1, time.monotonic() - began))
