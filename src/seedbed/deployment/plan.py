"""What a deployment would do: everything that can be refused is refused here, before the first change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from seedbed.deployment import bootstrap
from seedbed.deployment.assembly import Stack
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.left_behind import left_behind
from seedbed.deployment.managed import ManagedStack, Resource, managed_by_name
from seedbed.deployment.reading import stale
from seedbed.deployment.request import DeployRequest
from seedbed.deployment.stack_owner import require_own
from seedbed.deployment.stack_plans import require_as_reviewed, stack_plan
from seedbed.deployment.stacks import require_updatable
from seedbed.deployment.states import StackCondition
from seedbed.deployment.synthesis import require_same_account
from seedbed.deployment.updates import updates_of
from seedbed.errors import Hint, Refused, call
from seedbed.model.deployment import Change, Deployment, Rollout, Template
from seedbed.model.environment import is_ephemeral


class DeploymentPlan(Struct, frozen=True):
    """A deployment, with what it takes to carry it out; `managed_stacks` by name, in the order of the assembly."""

    context: DeploymentContext
    deployment: Deployment
    managed_stacks: Mapping[str, ManagedStack]
    chosen: tuple[Stack, ...]
    request: DeployRequest


def plan_deployment(
    context: DeploymentContext,
    managed_stacks: Sequence[ManagedStack],
    chosen: Sequence[Stack],
    request: DeployRequest,
) -> DeploymentPlan:
    """Return what a deployment of `chosen` would do; nothing is changed.

    An update that is under way is followed to its end first, unless `request` says not to. Raises Refused,
    Unavailable.
    """
    require_same_account(chosen, context.cloud, context.account, context.environment.name)
    missing = _bootstrap(context, chosen, request.bootstrap)
    known = managed_by_name(context.environment, managed_stacks, chosen, request.gate)
    _require_none_left(context, request)
    rollouts = tuple(_rollout(context, stack, known[stack.name], request) for stack in chosen)
    _refuse(rollouts, request.adopt)
    deployment = Deployment(context.environment.name, request.gate, rollouts, missing)
    return DeploymentPlan(context, deployment, known, tuple(chosen), request)


def _bootstrap(context: DeploymentContext, chosen: Sequence[Stack], prepare: bool) -> tuple[str, ...]:
    where = bootstrap.place(context.account, context.cloud)
    needed = bootstrap.most_demanding(chosen)
    missing = bootstrap.is_missing(context.cloud, needed) if needed else ""
    if not missing:
        return ()
    ephemeral = is_ephemeral(context.environment)
    if context.environment.is_sandbox or (prepare and ephemeral):
        return (where,)
    raise bootstrap.refused(where, needed, missing, ephemeral=ephemeral)


def _require_none_left(context: DeploymentContext, request: DeployRequest) -> None:
    """Raise Refused where the app no longer makes a stack that is there, unless that is meant or was reviewed."""
    if context.environment.is_sandbox:
        return
    shown = request.reviewed.stacks if request.reviewed else {}
    meant = {name for name, each in shown.items() if each.wanted is None and not each.refusals}
    left = [
        refusal
        for each in left_behind(context, request.declared, request.drop)
        if each.stack not in meant
        for refusal in each.refusals
    ]
    if left:
        raise Refused(
            "; ".join(each.what for each in left),
            because="\n           ".join(each.because for each in left),
            try_=left[0].try_,
        )


def _rollout(
    context: DeploymentContext, stack: Stack, managed: ManagedStack, request: DeployRequest
) -> Rollout:
    waiter = context.waiter(managed)
    follows = request.follow
    current, moved = waiter.until_settled(0) if follows else (context.stacks.status(stack.name), False)
    require_own(current, context.tags)
    require_updatable(current, context.stacks)
    deployed = None if current.condition is StackCondition.ABSENT else context.stacks.template(stack.name)
    wanted = context.assembly.template(stack)
    changed = stale(context.stacks, current, deployed)
    found = updates_of(stack, managed, current, deployed, wanted, changed)
    updates = tuple(found.updates)
    if request.reviewed and updates:
        require_as_reviewed(request.reviewed, stack, deployed, wanted, found)
    notes = (f"{current.status}: {current.state.means}",) if current.state.means else ()
    living = collisions(managed, deployed, updates[-1].template) if updates else {}
    names = tuple(physical_name(*each) for each in living.items())
    resources = stack_plan(stack, deployed, wanted, found).changes
    return Rollout(managed.target, stack.name, updates, names, notes, moved, resources)


def collisions(managed: ManagedStack, deployed: Template | None, wanted: Template) -> dict[str, Resource]:
    """Return, by logical id, what an update to `wanted` would create and is there already, as it is."""
    inside = (deployed or {}).get("Resources", {})
    new = {name: each for name, each in wanted.get("Resources", {}).items() if name not in inside}
    return dict(managed.existing({**wanted, "Resources": new})) if new else {}


def physical_name(logical_id: str, resource: Resource) -> str:
    """Return the name that a resource was given, else its logical id."""
    names = [
        value
        for key, value in resource.get("Properties", {}).items()
        if key.endswith("Name") and isinstance(value, str)
    ]
    return names[0] if names else logical_id


def require_possible(changes: Sequence[tuple[str, Change]]) -> None:
    """Raise Refused for what of `changes`, each with its target, no update can make, or may."""
    refused = [
        f"{target}: {change.what}: {change.refused}" + (f" ({change.try_})" if change.try_ else "")
        for target, change in changes
        if change.refused
    ]
    if refused:
        raise Refused("these changes cannot be made", because="\n           ".join(refused))


def _refuse(rollouts: Sequence[Rollout], adopt: bool) -> None:
    require_possible([(each.target, change) for each in rollouts for change in each.changes])
    colliding = [each for each in rollouts if each.collisions]
    if colliding and not adopt:
        raise Refused(
            f"there already, outside of its stack: {', '.join(name for each in colliding for name in each.collisions)}",
            because="a stack that was deleted left them behind, and a creation would collide with them",
            try_=Hint(
                "take them back into the stack as they are, then change them: ", call("deploy", "--import")
            ),
        )
