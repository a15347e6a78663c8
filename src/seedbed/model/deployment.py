"""Deployments: changes of a database whose schema is infrastructure, made by updates of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from seedbed.model.migration import Phase
from seedbed.model.resource import Replacement, ResourceAction

Template = Mapping[str, Any]  # a CloudFormation template as JSON says it


class Change(Struct, frozen=True):
    """One change of a database's infrastructure, for people: `what` reads "courses: add index by_teacher".

    Adding is `expand`, removing is `contract`. `update`: which update of the stack carries it, counted from 1.
    `refused`: why no update can make it; empty where one can. `try_`: the way round.
    """

    phase: Phase
    what: str
    update: int = 1
    refused: str = ""
    try_: str = ""


class StackUpdate(Struct, frozen=True):
    """One update of a stack: the whole `template` after it, and what it changes.

    `waits_for`: what has to be ready before the next update begins, in the engine's words ("courses.by_teacher").
    `sets_tags`: it sets the stack's tags, and no resource is changed.
    """

    template: Template
    changes: tuple[Change, ...]
    waits_for: tuple[str, ...] = ()
    sets_tags: bool = False


class ResourceChange(Struct, frozen=True):
    """What an update does to one resource of a stack.

    `id`: its logical id. `scope`: what of it is changed, "Properties.DatabaseName" or "DeletionPolicy". `because`: why
    it is made anew, "" where it is not, or where that is not known. `holds`: data, or what others were given.
    """

    id: str
    type: str
    action: ResourceAction
    replacement: Replacement = Replacement.NO
    scope: tuple[str, ...] = ()
    because: str = ""
    holds: bool = False


class Refusal(Struct, frozen=True):
    """Why a stack is not deployed as things are, and the way round."""

    what: str
    because: str
    try_: str = ""


class StackPlan(Struct, frozen=True):
    """What a deployment would change in one stack.

    `deployed`, `wanted`: the SHA-256 of the template that is deployed, and of the one that the app makes; None where
    there is none. `changes`: through the gate. `refusals`: why `deploy` would refuse it. `notes`: what is worth knowing
    about the state that it is in.
    """

    stack: str
    deployed: str | None = None
    wanted: str | None = None
    changes: tuple[ResourceChange, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


class Estimate(Struct, frozen=True):
    """What a migration is expected to cost on one target, before it starts; `lines` are for people.

    `quantities`: name -> number, for machines ("items", "read_units", "write_units", "seconds", "dollars").
    """

    version: str
    quantities: Mapping[str, float]
    lines: tuple[str, ...] = ()


class Rollout(Struct, frozen=True):
    """What a deployment would do with one stack.

    `target`: the database that the stack holds, or the stack's own name where it holds none of ours. `updates` are
    empty where the stack is up to date. `collisions`: what `updates` would create and is there already, outside
    of the stack. `notes`: what is worth knowing about the state that the stack is in. `resumed`: an update that a
    former run began was followed to its end. `resources`: what all updates together do, resource by resource.
    """

    target: str
    stack: str
    updates: tuple[StackUpdate, ...] = ()
    collisions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    resumed: bool = False
    resources: tuple[ResourceChange, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(change for update in self.updates for change in update.changes)


class Deployment(Struct, frozen=True):
    """What a deployment of one environment would do, stack after stack. `bootstrap`: accounts to be prepared first."""

    environment: str
    gate: Phase
    rollouts: tuple[Rollout, ...]
    bootstrap: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not any(each.updates for each in self.rollouts)

    @property
    def removes(self) -> tuple[str, ...]:
        """What it removes, as text."""
        return tuple(
            change.what for each in self.rollouts for change in each.changes if change.phase is Phase.CONTRACT
        )
