"""What a deployment would change in each stack, resource by resource, from two templates. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from seedbed.aws.faults import Denied
from seedbed.deployment.assembly import Stack, fingerprint
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.left_behind import left_behind
from seedbed.deployment.managed import ManagedStack, managed_by_name
from seedbed.deployment.reading import read_anew, reads, stale
from seedbed.deployment.replacing import resource_changes
from seedbed.deployment.request import DeployRequest
from seedbed.deployment.stack_owner import require_own
from seedbed.deployment.stacks import StackStatus, require_updatable
from seedbed.deployment.states import StackCondition
from seedbed.deployment.synthesis import require_same_account
from seedbed.deployment.updates import StackUpdates, updates_of
from seedbed.errors import Refused, hint_text
from seedbed.model.deployment import Refusal, ResourceChange, StackPlan, Template
from seedbed.model.names import stack_of_parameter
from seedbed.model.resource import ResourceAction
from seedbed.planning.reviewed import ReviewedPlan, require_stack_as_shown
from seedbed.support.phrases import listed

_STACK = "AWS::CloudFormation::Stack"


def plan_stacks(
    context: DeploymentContext,
    managed_stacks: Sequence[ManagedStack],
    chosen: Sequence[Stack],
    request: DeployRequest,
) -> tuple[tuple[StackPlan, ...], str]:
    """Return what a deployment of `chosen` would change, in their order, and then what it would leave behind; and what
    of the latter was not looked at, and why: "" where all was.

    What it would refuse is in there. Nothing is waited for. Raises Refused for stacks of another account, Denied where
    we may not look at one.
    """
    require_same_account(chosen, context.cloud, context.account, context.environment.name)
    known = managed_by_name(context.environment, managed_stacks, chosen, request.gate)
    planned: list[StackPlan] = []
    for each in chosen:
        moving = {other.stack for other in planned if other.changes}
        planned.append(_planned(context, each, known[each.name], moving))
    try:
        return (*planned, *left_behind(context, request.declared, request.drop)), ""
    except Denied as error:  # it takes the right to list all stacks of the account
        return tuple(planned), f"those that the app no longer makes: {error.what}"


def _planned(
    context: DeploymentContext, stack: Stack, managed: ManagedStack, moving: Collection[str]
) -> StackPlan:
    """Return what is to be done with one stack. `moving`: the names of those before it that are updated."""
    current = context.stacks.status(stack.name)
    wanted = context.assembly.template(stack)
    refusals: list[Refusal] = []
    notes = [f"{current.status}: {current.state.means}"] if current.state.means else []
    deployed: Template | None = None
    found = StackUpdates()
    try:
        require_own(current, context.tags)
        require_updatable(current, context.stacks)
        deployed = None if current.condition is StackCondition.ABSENT else context.stacks.template(stack.name)
        changed = _stale(context, current, deployed, notes)
        found = updates_of(stack, managed, current, deployed, wanted, changed)
    except Denied:
        raise
    except Refused as error:
        way = hint_text(error.try_, context.environment.name, "")
        refusals.append(Refusal(error.what, str(error.because), way))
    refusals += [
        Refusal(each.what, each.refused, each.try_)
        for update in found.updates
        for each in update.changes
        if each.refused
    ]
    before = sorted({stack_of_parameter(each) for each in reads(deployed).values()} & set(moving))
    if before:
        notes.append(f"reads of {listed(before)}, updated before it: what is made of that may change with it")
    planned = stack_plan(stack, deployed, wanted, found)
    return replace(planned, refusals=tuple(refusals), notes=tuple(notes))


def _stale(
    context: DeploymentContext, current: StackStatus, deployed: Template | None, notes: list[str]
) -> Mapping[str, str]:
    """Return what the stack would read anew; where we may not look, that is one of `notes`."""
    try:
        return stale(context.stacks, current, deployed)
    except Denied as error:
        notes.append(f"whether what it reads has changed since is not known: {error.what}")
        return {}


def require_as_reviewed(
    plan: ReviewedPlan, stack: Stack, deployed: Template | None, wanted: Template, found: StackUpdates
) -> None:
    """Raise StalePlan if the updates `found` of a stack change more than `plan` shows.

    What a stack reads of another one that the plan shows as changed is a part of that: it was not there to be shown.
    """
    moving = {name for name, each in plan.stacks.items() if each.changes}
    unforeseen = {key: name for key, name in found.stale.items() if stack_of_parameter(name) not in moving}
    planned = stack_plan(stack, deployed, wanted, replace(found, stale=unforeseen))
    require_stack_as_shown(plan, planned)


def stack_plan(stack: Stack, deployed: Template | None, wanted: Template, found: StackUpdates) -> StackPlan:
    """Return what the updates `found` of a stack, which lead from `deployed` towards `wanted`, change in it.

    What is made of a value that changed since is among the resources: CloudFormation changes it, too.
    """
    changes: tuple[ResourceChange, ...] = ()
    if found.updates:
        changes = resource_changes(deployed, read_anew(found.updates[-1].template, found.stale))
    scope = [f"Tags.{key}" for key in sorted(found.tags)]
    scope += [f"Parameters.{name}" for name in found.stale.values()]
    if scope:
        changes = (*changes, ResourceChange(stack.name, _STACK, ResourceAction.MODIFY, scope=tuple(scope)))
    return StackPlan(stack.name, fingerprint(deployed) if deployed else None, fingerprint(wanted), changes)
