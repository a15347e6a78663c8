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
    """Delete the stacks in one run of the CLI, which stops at the first that fails. What happens is emitted."""
    require_ephemeral(plan.context.environment, "destroy")
    listener = plan.context.listener
    for target in plan.gone:
        listener(TargetDone(target))
    began = time.monotonic()
    run = _delete(plan)
    left: list[tuple[ManagedStack, StackStatus, SeedbedError]] = []
    for stack, managed in plan.stacks:
        try:
            current, _ = plan.context.waiter(managed).until_settled(1)
        except SeedbedError as error:
            left.append((managed, StackStatus(stack.name), error))
            continue
        if _exists(current):
            left.append((managed, current, run.error or _not_deleted(plan.context, current, run.last_lines)))
            continue
        if stack.id in run.started:
            listener(DeployFinished(managed.target, stack.name, 1, time.monotonic() - began))
        listener(TargetDone(managed.target))
    left.sort(key=lambda each: "FAILED" not in each[1].status)  # the CLI never began with those after it
    for managed, current, reason in left[:1]:
        is_known = reason is not run.error and current.status and "DELETE" not in current.status
        touched = not is_known and any(
            stack.id in run.started for stack, each in plan.stacks if each is managed
        )
        context = plan.context
        failed = context.stop.mark(reason)
        listener(failure(managed.target, failed, touched=touched, environment=context.environment.name))
        for other, _, _ in left[1:]:
            listener(TargetSkipped(other.target, f"{current.name} is still there"))


class _CliRun(Struct, frozen=True):
    """`started`: the ids of the stacks that the CLI was told to delete; `error`: what ended it, if anything."""

    started: tuple[str, ...]
    last_lines: str = ""
    error: SeedbedError | None = None


def _delete(plan: DestroyPlan) -> _CliRun:
    """Run the CLI for all stacks that are there once nothing is under way in them."""
    context, started = plan.context, []
    waiters = {stack.name: context.waiter(managed) for stack, managed in plan.stacks}

    def tell(line: str) -> None:
        named = max((each for each in waiters if each in line), key=len, default=plan.stacks[0][0].name)
        waiters[named].repeat(line)

    try:
        for stack, managed in plan.stacks:
            current, moved = waiters[stack.name].until_settled(0)
            if _exists(current):
                started.append(stack.id)
                what = (f"delete {stack.name}",)
                context.listener(DeployStarted(managed.target, stack.name, 0, what, resumed=moved))
        if not started:
            return _CliRun(())
        result = context.cli.run(
            ["destroy", *started, "--app", str(context.assembly.directory), "--exclusively", "--force"],
            cwd=context.room,
            cloud=context.cloud,
            tell=tell,
        )
    except SeedbedError as error:
        return _CliRun(tuple(started), error=error)
    return _CliRun(tuple(started), result.last_lines)


def _not_deleted(context: DeploymentContext, current: StackStatus, last_lines: str) -> StepFailed:
    return StepFailed(
        f"stack {current.name} was not deleted: it is {current.status}",
        because=context.stacks.why(current) or last_lines,
        try_=current.state.way.format(stack=current.name)
        or "fix what the reason names; the same command again",
    )
