"""What a deployment is told about the databases in it: `project` knows engines and sessions, this room does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.deployment.assembly import Stack
from seedbed.deployment.replacing import losses
from seedbed.engines.base import Session
from seedbed.engines.infrastructure import SupportsDeployedState, SupportsDeployment, SupportsImport
from seedbed.model.deployment import Change, StackUpdate, Template
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.event import Event
from seedbed.model.migration import Phase
from seedbed.model.names import stack_name
from seedbed.model.target import Target

Resource = Mapping[str, Any]  # of a template


class ManagedStack(Struct, frozen=True):
    """One stack's place in a deployment.

    `target`: the database's id, or the stack's name where it holds no database of ours. `updates` as
    `SupportsDeployment.stack_updates`, at the gate of this deployment; `settle` and `existing` as a session's.
    """

    target: str
    stack: str
    updates: Callable[[Template | None, Template], Sequence[StackUpdate]]
    settle: Callable[[Sequence[str], float], Iterator[Event]]
    existing: Callable[[Template], Mapping[str, Resource]]


def managed_stack(target: Target, engine: SupportsDeployment, session: Session, gate: Phase) -> ManagedStack:
    """Return the stack of a database whose engine plans updates, at `gate`."""
    name = stack_name(
        target.platform, target.environment.name, target.database.service, target.database.engine
    )

    def updates(deployed: Template | None, wanted: Template) -> Sequence[StackUpdate]:
        return engine.stack_updates(deployed, wanted, gate=gate)

    def settle(things: Sequence[str], timeout: float) -> Iterator[Event]:
        if isinstance(session, SupportsDeployedState):
            yield from session.settle(things, timeout=timeout)

    def existing(template: Template) -> Mapping[str, Resource]:
        return session.existing(template) if isinstance(session, SupportsImport) else {}

    return ManagedStack(target.id, name, updates, settle, existing)


def unmanaged_stack(stack: str, gate: Phase, *, keeps: bool = False) -> ManagedStack:
    """Return a stack that holds no database whose engine plans updates: one update, all at once.

    As everywhere, what is removed goes at contract; until then it stays as it was. `keeps`: refuse what would make
    a resource with data anew, or drop it.
    """

    def updates(deployed: Template | None, wanted: Template) -> Sequence[StackUpdate]:
        gone = sorted(set((deployed or {}).get("Resources", {})) - set(wanted.get("Resources", {})))
        target = wanted if gate is Phase.CONTRACT else _with_all_of(deployed or {}, wanted)
        if deployed == target:
            return ()
        changes = [Change(Phase.EXPAND, f"{stack}: {'create' if deployed is None else 'update'}")]
        if gone and gate is Phase.CONTRACT:
            changes.append(Change(Phase.CONTRACT, f"{stack}: remove {', '.join(gone)}"))
        changes += _losses(stack, deployed, target, keeps=keeps)
        return (StackUpdate(target, tuple(changes)),)

    return ManagedStack(stack, stack, updates, lambda _, __: iter(()), lambda _: {})


def managed_by_name(
    environment: Environment, managed_stacks: Sequence[ManagedStack], chosen: Sequence[Stack], gate: Phase
) -> dict[str, ManagedStack]:
    """Return what is known of each of `chosen`, by its name; `managed_stacks` hold databases."""
    known, keeps = {each.stack: each for each in managed_stacks}, not is_ephemeral(environment)
    return {
        each.name: known.get(each.name) or unmanaged_stack(each.name, gate, keeps=keeps) for each in chosen
    }


def _losses(stack: str, deployed: Template | None, target: Template, *, keeps: bool) -> list[Change]:
    """Return what an update would take away, refused where data are kept."""
    way = f"deploy it as it was, or make another beside it and copy the data; to mean it: cdk deploy {stack}"
    return [
        Change(
            Phase.CONTRACT,
            f"{stack}: {each.what}",
            refused=f"{each.because}; what it holds would be lost to the services" if keeps else "",
            try_=way if keeps else "",
        )
        for each in losses(deployed, target)
        if keeps or not each.what.startswith("remove")  # it is among what is removed
    ]


def _with_all_of(old: Template, new: Template) -> Template:
    """Return `new` with everything of `old` that it no longer has."""
    sections = ("Resources", "Outputs", "Parameters", "Conditions", "Mappings")
    merged = {
        name: {**old.get(name, {}), **new.get(name, {})}
        for name in sections
        if old.get(name) or new.get(name)
    }
    return {**new, **merged}
