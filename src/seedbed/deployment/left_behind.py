"""Stacks of an environment that the app no longer makes: what a renamed service, or an image not said again, leaves."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from seedbed.deployment.assembly import fingerprint
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.replacing import holds
from seedbed.deployment.stack_owner import is_own
from seedbed.deployment.stacks import StackStatus
from seedbed.deployment.states import StackCondition
from seedbed.errors import UsageError
from seedbed.model.deployment import Refusal, StackPlan, Template
from seedbed.model.environment import is_ephemeral
from seedbed.support.phrases import listed

_LISTED = 3  # resources that are told of one stack


def left_behind(
    context: DeploymentContext, declared: Collection[str], dropped: Collection[str]
) -> tuple[StackPlan, ...]:
    """Return the stacks with the environment's tags that the app no longer makes, by name.

    `declared`: the names of stacks of declared databases; another app may make those. `dropped`: those that are meant
    to be left. Any other is refused where data are kept: a deployment would go on without it. Raises UsageError for
    one of `dropped` that is none of them.
    """
    found = {each.name: each for each in _left(context, declared)}
    unknown = sorted(set(dropped) - found.keys())
    if unknown:
        raise UsageError(
            f"there is no stack {unknown[0]} that the app no longer makes",
            because=f"those are {listed(sorted(found))}"
            if found
            else "the app makes every stack that is there",
            try_="name one of those, or leave --drop out",
        )
    keeps = not is_ephemeral(context.environment)
    return tuple(
        _plan(name, context.stacks.template(name), is_refused=keeps and name not in dropped)
        for name in sorted(found)
    )


def _left(context: DeploymentContext, declared: Collection[str]) -> Iterator[StackStatus]:
    made = {each.name for each in context.assembly.stacks}
    for each in context.stacks.all():
        if each.name in made or each.name in declared or each.condition is StackCondition.ABSENT:
            continue
        if each.exists and is_own(each, context.tags, ()):
            yield each


def _plan(name: str, template: Template | None, *, is_refused: bool) -> StackPlan:
    resources: Mapping[str, Mapping[str, object]] = (template or {}).get("Resources", {})
    kinds = {each: str(resource.get("Type", "")) for each, resource in sorted(resources.items())}
    holding = [
        f"{each} ({kind.removeprefix('AWS::')})"
        for each, kind in kinds.items()
        if holds(kind, resources[each])
    ]
    deployed = fingerprint(template) if template else None
    what = f"the app no longer makes {name}"
    if not is_refused:
        return StackPlan(name, deployed, notes=(f"{what}: it is left as it is",))
    because = (
        f"it holds {listed(holding, _LISTED)}; under another name a service gets an empty database, and its data stay"
        if holding
        else "what is in it would run on as it was deployed last, out of reach of any deployment"
    )
    way = f"name the service, or say the image, as before; to leave the stack as it is: --drop {name}"
    return StackPlan(name, deployed, refusals=(Refusal(what, because, way),))
