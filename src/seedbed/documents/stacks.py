"""Stacks in a plan: what a deployment would change in each, resource by resource."""

from __future__ import annotations

from typing import Annotated

from seedbed.documents.document import Part, says
from seedbed.model.deployment import Refusal, ResourceChange, StackPlan
from seedbed.model.resource import Replacement, ResourceAction


class ResourceChangeEntry(Part, frozen=True):
    """What is done to one resource of a stack."""

    id: Annotated[str, says("Its logical id; the name of the stack where the stack's tags change.")]
    type: Annotated[str, says("Its type: `AWS::RDS::DBCluster`.")]
    action: Annotated[ResourceAction, says("`Add`, `Modify` or `Remove`, as a change set has it.")]
    replacement: Annotated[
        Replacement,
        says(
            "Whether it is made anew, and empty, as a change set has it: `True`, `Conditional` or `False`; `unknown`"
            " for a type that holds no data, of which the templates do not tell."
        ),
    ]
    scope: Annotated[
        tuple[str, ...],
        says("What of it changes: `Properties.DatabaseName`, `DeletionPolicy`, `Tags.owner`."),
    ]
    because: Annotated[str, says("Why it is made anew, or may be; empty where it is not.")]
    holds: Annotated[bool, says("It holds data, or what others were given: a password, addresses.")]

    @classmethod
    def of(cls, change: ResourceChange) -> ResourceChangeEntry:
        return cls(
            change.id,
            change.type,
            change.action,
            change.replacement,
            change.scope,
            change.because,
            change.holds,
        )


class RefusalEntry(Part, frozen=True):
    """Why `deploy` would refuse a stack as it is."""

    what: Annotated[str, says("What is refused.")]
    because: Annotated[str, says("Why.")]
    try_: Annotated[str, says("The way round.")]

    @classmethod
    def of(cls, refusal: Refusal) -> RefusalEntry:
        return cls(refusal.what, refusal.because, refusal.try_)


class StackPlanEntry(Part, frozen=True):
    """What a deployment would change in one stack."""

    stack: Annotated[str, says("Its name.")]
    deployed: Annotated[
        str | None,
        says("SHA-256 of the template that is deployed, its keys in order; null where there is none."),
    ]
    wanted: Annotated[
        str | None,
        says("SHA-256 of the template that the app makes; null where the app no longer makes the stack."),
    ]
    changes: Annotated[
        tuple[ResourceChangeEntry, ...],
        says("What a deployment through the gate would change. `deploy PLAN` refuses any other change."),
    ]
    refusals: Annotated[
        tuple[RefusalEntry, ...],
        says("Why `deploy` would refuse it; `plan` exits with 3. Empty where it would not."),
    ]
    notes: Annotated[tuple[str, ...], says("About the state that it is in.")]

    @classmethod
    def of(cls, plan: StackPlan) -> StackPlanEntry:
        return cls(
            plan.stack,
            plan.deployed,
            plan.wanted,
            tuple(map(ResourceChangeEntry.of, plan.changes)),
            tuple(map(RefusalEntry.of, plan.refusals)),
            plan.notes,
        )
