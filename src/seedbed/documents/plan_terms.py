"""What a plan rests on besides histories and files: what is asked for before a phase, and what leads back after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from seedbed.documents.document import Part, says
from seedbed.model.migration import Direction, Phase
from seedbed.model.plan import DatabasePlan, Plan


class RollbackEntry(Part, frozen=True):
    """How what a phase does is taken back."""

    phase: Annotated[Phase, says("The phase.")]
    reversible: Annotated[
        tuple[str, ...], says("The migrations that `revert` takes back, as database:version.")
    ]
    irreversible: Annotated[
        tuple[str, ...], says("What it cannot take back, and why: of a contract what it removes, always.")
    ]


class ApprovalsEntry(Part, frozen=True):
    """How many people approve a step of a release."""

    step: Annotated[str, says("The step.")]
    approvals: Annotated[int, says("How many.")]


def snapshots_first(plan: Plan) -> tuple[str, ...]:
    """Return the databases that a contract of `plan` changes: a release takes snapshots of them first."""
    if plan.direction is Direction.DOWN:
        return ()
    return tuple(each.database for each in plan.databases if any(_contracts(each)))


def rollback(plan: Plan) -> tuple[RollbackEntry, ...]:
    """Return how each phase of `plan` in which something is done is taken back."""
    if plan.direction is Direction.DOWN:
        return ()
    found = (_of_phase(phase, plan.databases) for phase in Phase)
    return tuple(each for each in found if each.reversible or each.irreversible)


def approvals_needed(plan: Plan) -> tuple[ApprovalsEntry, ...]:
    """Return how many people approve each step, but for those that need none."""
    return tuple(ApprovalsEntry(step, many) for step, many in plan.terms.approvals if many)


def _contracts(plan: DatabasePlan) -> Iterator[str]:
    yield from (each.migration.version for each in plan.actions if each.migration.phase is Phase.CONTRACT)
    yield from (each.what for each in plan.changes if each.phase is Phase.CONTRACT and not each.refused)


def _of_phase(phase: Phase, databases: Sequence[DatabasePlan]) -> RollbackEntry:
    reversible, irreversible = [], []
    for database in databases:
        for action in database.actions:
            migration = action.migration
            if migration.phase is not phase:
                continue
            name = f"{database.database}:{migration.version}"
            if migration.irreversible:
                irreversible.append(f"{name}: {migration.irreversible.because}")
            elif not migration.down:
                irreversible.append(f"{name}: nothing reverts it")
            elif phase is Phase.CONTRACT:
                irreversible.append(f"{name}: what it removes comes back from a snapshot alone")
            else:
                reversible.append(name)
        irreversible += [
            f"{database.database}: {change.what}: what it removes comes back from a snapshot alone"
            for change in database.changes
            if change.phase is phase is Phase.CONTRACT and not change.refused
        ]
    return RollbackEntry(phase, tuple(reversible), tuple(irreversible))
