"""What a deployment would do."""

from __future__ import annotations

from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.stacks import ResourceChangeEntry
from seedbed.model.deployment import Change, Deployment, Rollout, StackUpdate
from seedbed.model.migration import Phase


class ChangeEntry(Part, frozen=True):
    """One change of a database's infrastructure."""

    phase: Annotated[Phase, says("Adding is `expand`, removing is `contract`.")]
    what: Annotated[str, says("What changes, as text.")]
    update: Annotated[int, says("Which update of the stack makes it, counted from 1.")]
    refused: Annotated[str, says("Why no update can make it; empty where one can.")]
    try_: Annotated[str, says("The way round.")]

    @classmethod
    def of(cls, change: Change) -> ChangeEntry:
        return cls(change.phase, change.what, change.update, change.refused, change.try_)


class UpdateEntry(Part, frozen=True):
    """One update of a stack."""

    changes: Annotated[
        tuple[ChangeEntry, ...], says("What it changes; empty where it is about other resources.")
    ]
    waits_for: Annotated[tuple[str, ...], says("What has to be ready before the next update begins.")]

    @classmethod
    def of(cls, update: StackUpdate) -> UpdateEntry:
        return cls(tuple(ChangeEntry.of(each) for each in update.changes), update.waits_for)


class StackEntry(Part, frozen=True):
    """One stack, and the updates that it takes."""

    target: Annotated[
        str, says("The database that the stack holds; the stack's own name where it holds none.")
    ]
    stack: Annotated[str, says("The name of the stack.")]
    updates: Annotated[tuple[UpdateEntry, ...], says("In order; empty where the stack is up to date.")]
    collisions: Annotated[
        tuple[str, ...], says("What is there already, outside of the stack; `--import` takes it in.")
    ]
    notes: Annotated[tuple[str, ...], says("About the state that the stack is in.")]
    resources: Annotated[
        tuple[ResourceChangeEntry, ...], says("What all updates together do, resource by resource.")
    ]

    @classmethod
    def of(cls, rollout: Rollout) -> StackEntry:
        updates = tuple(UpdateEntry.of(each) for each in rollout.updates)
        resources = tuple(map(ResourceChangeEntry.of, rollout.resources))
        return cls(rollout.target, rollout.stack, updates, rollout.collisions, rollout.notes, resources)


class DeploymentDocument(Document, frozen=True, kw_only=True, tag="seedbed/deployment/1"):
    """What `deploy` would do, stack by stack, update by update."""

    commands: ClassVar = ("deploy",)

    environment: Annotated[str, says("The environment's name.")]
    gate: Annotated[Phase, says("How far it goes: `--through`.")]
    bootstrap: Annotated[tuple[str, ...], says("Accounts that are prepared for the CDK first.")]
    stacks: Annotated[tuple[StackEntry, ...], says("In the order in which they are updated.")]

    @classmethod
    def of(cls, deployment: Deployment, command: str) -> DeploymentDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=deployment.environment,
            gate=deployment.gate,
            bootstrap=deployment.bootstrap,
            stacks=tuple(StackEntry.of(each) for each in deployment.rollouts),
        )
