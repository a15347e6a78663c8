"""What a deployment is told about the databases in it: `project` knows engines and sessions, this room does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from seedbed.engines.base import Deployable, Deployed, Session
from seedbed.model.deployment import Change, Template, Wave
from seedbed.model.event import Event
from seedbed.model.migration import Phase
from seedbed.model.names import stack_name
from seedbed.model.target import Target

Resource = Mapping[str, Any]  # of a template


@runtime_checkable
class Adoptable(Protocol):
    """A session that can tell which resources of a template live already, whoever made them."""

    def existing(self, template: Template) -> Mapping[str, Resource]:
        """Return, by logical id, each resource of `template` that lives, as it is: so it would be imported."""
        ...


class Part(Struct, frozen=True):
    """One stack's place in a deployment.

    `target`: the database's id, or the stack's name where it holds no database of ours. `waves` as
    `engines.base.Deployable.waves`, at the gate of this deployment; `settle` and `existing` as a session's.
    """

    target: str
    stack: str
    waves: Callable[[Template | None, Template], Sequence[Wave]]
    settle: Callable[[Sequence[str], float], Iterator[Event]]
    existing: Callable[[Template], Mapping[str, Resource]]


def part_of(target: Target, engine: Deployable, session: Session, gate: Phase) -> Part:
    """Return the part of a database whose engine knows of waves, at `gate`."""
    name = stack_name(
        target.platform, target.environment.name, target.database.service, target.database.engine
    )

    def waves(deployed: Template | None, wanted: Template) -> Sequence[Wave]:
        return engine.waves(deployed, wanted, gate=gate)

    def settle(things: Sequence[str], timeout: float) -> Iterator[Event]:
        if isinstance(session, Deployed):
            yield from session.settle(things, timeout=timeout)

    def existing(template: Template) -> Mapping[str, Resource]:
        return session.existing(template) if isinstance(session, Adoptable) else {}

    return Part(target.id, name, waves, settle, existing)


def plain(stack: str) -> Part:
    """Return the part of a stack that holds no database whose engine knows of waves: one update, all at once."""

    def waves(deployed: Template | None, wanted: Template) -> Sequence[Wave]:
        if deployed == wanted:
            return ()
        return (
            Wave(wanted, (Change(Phase.EXPAND, f"{stack}: {'create' if deployed is None else 'update'}"),)),
        )

    return Part(stack, stack, waves, lambda _, __: iter(()), lambda _: {})
