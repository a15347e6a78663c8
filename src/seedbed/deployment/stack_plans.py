"""What a deployment would change in each stack, resource by resource, from two templates. Reads only."""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.deployment.assembly import Stack, fingerprint
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.left_behind import left_behind
from seedbed.deployment.managed import ManagedStack, managed_by_name
from seedbed.deployment.replacing import resource_changes
from seedbed.deployment.request import DeployRequest
from seedbed.deployment.stack_owner import require_own
from seedbed.deployment.stacks import StackStatus, require_updatable
from seedbed.deployment.states import StackCondition
from seedbed.deployment.synthesis import require_same_account
from seedbed.errors import Refused, hint_text
from seedbed.model.deployment import Refusal, ResourceChange, StackPlan, StackUpdate, Template
from seedbed.model.resource import ResourceAction

_STACK = "AWS::CloudFormation::Stack"


def plan_stacks(
    context: DeploymentContext,
    managed_stacks: Sequence[ManagedStack],
    chosen: Sequence[Stack],
    request: DeployRequest,
) -> tuple[StackPlan, ...]:
    """Return what a deployment of `chosen` would change, in their order, and then what it would leave behind.

    What it would refuse is in there. Nothing is waited for. Raises Refused for stacks of another account.
    """
    require_same_account(chosen, context.cloud, context.account, context.environment.name)
    known = managed_by_name(context.environment, managed_stacks, chosen, request.gate)
    planned = [_planned(context, each, known[each.name]) for each in chosen]
    return (*planned, *left_behind(context, request.declared, request.drop))


def _planned(context: DeploymentContext, stack: Stack, managed: ManagedStack) -> StackPlan:
    current = context.stacks.status(stack.name)
    wanted = context.assembly.template(stack)
    refusals: list[Refusal] = []
    deployed: Template | None = None
    updates: Sequence[StackUpdate] = ()
    try:
        require_own(current, context.tags)
        require_updatable(current, context.stacks)
        deployed = None if current.condition is StackCondition.ABSENT else context.stacks.template(stack.name)
        updates = managed.updates(deployed, wanted)
    except Refused as error:
        way = hint_text(error.try_, context.environment.name, "")
        refusals.append(Refusal(error.what, str(error.because), way))
    refusals += [
        Refusal(each.what, each.refused, each.try_)
        for update in updates
        for each in update.changes
        if each.refused
    ]
    notes = (f"{current.status}: {current.state.means}",) if current.state.means else ()
    found = stack_plan(stack, current, deployed, wanted, updates)
    return StackPlan(found.stack, found.deployed, found.wanted, found.changes, tuple(refusals), notes)


def stack_plan(
    stack: Stack,
    current: StackStatus,
    deployed: Template | None,
    wanted: Template,
    updates: Sequence[StackUpdate],
) -> StackPlan:
    """Return what `updates` of a stack, which lead from `deployed` towards `wanted`, change in it."""
    changes = resource_changes(deployed, updates[-1].template) if updates else ()
    if deployed is not None and (tags := tags_to_set(stack, current)):
        scope = tuple(f"Tags.{key}" for key in sorted(tags))
        changes = (*changes, ResourceChange(stack.name, _STACK, ResourceAction.MODIFY, scope=scope))
    return StackPlan(stack.name, fingerprint(deployed) if deployed else None, fingerprint(wanted), changes)


def tags_to_set(stack: Stack, current: StackStatus) -> dict[str, str]:
    """Return the tags that the app gives a stack and that it does not have, or has with another value."""
    return {key: value for key, value in stack.tags.items() if current.tags.get(key) != value}
