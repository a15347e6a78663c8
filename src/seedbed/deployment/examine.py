"""What a deployment would do: everything that can be refused is refused here, before the first change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from seedbed.deployment import bootstrap
from seedbed.deployment.assembly import Stack
from seedbed.deployment.parts import Part, Resource, plain
from seedbed.deployment.request import DeployRequest
from seedbed.deployment.site import Site
from seedbed.deployment.stacks import require_updatable
from seedbed.deployment.states import Kind
from seedbed.deployment.synthesis import require_same_account
from seedbed.errors import Refused
from seedbed.model.deployment import Deployment, Rollout, Template
from seedbed.model.environment import is_ephemeral


class Examined(Struct, frozen=True):
    """A deployment, with what it takes to carry it out; `parts` by the stack's name, in the order of the assembly."""

    site: Site
    deployment: Deployment
    parts: Mapping[str, Part]
    chosen: tuple[Stack, ...]
    request: DeployRequest


def examine(site: Site, parts: Sequence[Part], chosen: Sequence[Stack], request: DeployRequest) -> Examined:
    """Return what a deployment of `chosen` would do; nothing is changed.

    An update that is under way is followed to its end first, unless `request` says not to. Raises Refused,
    Unavailable.
    """
    require_same_account(chosen, site.cloud, site.account, site.environment.name)
    missing = _bootstrap(site, chosen, request.bootstrap)
    known = {each.stack: each for each in parts}
    known = {each.name: known.get(each.name, plain(each.name, request.gate)) for each in chosen}
    rollouts = tuple(_rollout(site, stack, known[stack.name], request.follow) for stack in chosen)
    _refuse(rollouts, request.adopt)
    deployment = Deployment(site.environment.name, request.gate, rollouts, missing)
    return Examined(site, deployment, known, tuple(chosen), request)


def _bootstrap(site: Site, chosen: Sequence[Stack], prepare: bool) -> tuple[str, ...]:
    where = bootstrap.place(site.account, site.cloud)
    needed = max(chosen, key=lambda each: each.bootstrap_version, default=None)
    missing = bootstrap.is_missing(site.cloud, needed) if needed else ""
    if not missing:
        return ()
    ephemeral = is_ephemeral(site.environment)
    if site.environment.is_sandbox or (prepare and ephemeral):
        return (where,)
    raise bootstrap.refused(where, missing, ephemeral=ephemeral)


def _rollout(site: Site, stack: Stack, part: Part, follow: bool) -> Rollout:
    following = site.following(part)
    standing, moved = following.to_its_end(0) if follow else (site.stacks.standing(stack.name), False)
    require_updatable(standing, site.stacks)
    deployed = None if standing.kind is Kind.ABSENT else site.stacks.template(stack.name)
    wanted = site.assembly.template(stack)
    updates = tuple(part.updates(deployed, wanted))
    notes = (f"{standing.status}: {standing.state.means}",) if standing.state.means else ()
    living = collisions(part, deployed, updates[-1].template) if updates else {}
    names = tuple(physical_name(*each) for each in living.items())
    return Rollout(part.target, stack.name, updates, names, notes, moved)


def collisions(part: Part, deployed: Template | None, wanted: Template) -> dict[str, Resource]:
    """Return, by logical id, what an update to `wanted` would create and is there already, as it is."""
    inside = (deployed or {}).get("Resources", {})
    new = {name: each for name, each in wanted.get("Resources", {}).items() if name not in inside}
    return dict(part.existing({**wanted, "Resources": new})) if new else {}


def physical_name(logical_id: str, resource: Resource) -> str:
    """Return the name that a resource was given, else its logical id."""
    names = [
        value
        for key, value in resource.get("Properties", {}).items()
        if key.endswith("Name") and isinstance(value, str)
    ]
    return names[0] if names else logical_id


def _refuse(rollouts: Sequence[Rollout], adopt: bool) -> None:
    refused = [
        f"{each.target}: {change.what}: {change.refused}" + (f" ({change.try_})" if change.try_ else "")
        for each in rollouts
        for change in each.changes
        if change.refused
    ]
    if refused:
        raise Refused("no update can make all of these changes", because="\n           ".join(refused))
    colliding = [each for each in rollouts if each.collisions]
    if colliding and not adopt:
        raise Refused(
            f"there already, outside of its stack: {', '.join(name for each in colliding for name in each.collisions)}",
            because="a stack that was deleted left them behind, and a creation would collide with them",
            try_="seedbed deploy --import takes them back into the stack as they are, then changes them",
        )
