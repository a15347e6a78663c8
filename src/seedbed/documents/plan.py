"""Plans: what would be done to databases. The one document that is also read: `apply PLAN`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from seedbed.documents.deployment import ChangeEntry
from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.model.deployment import Estimate
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Direction, Migration, Phase, Step
from seedbed.model.plan import Action, DatabasePlan, Deferred, Plan


class BackfillEntry(Part, frozen=True):
    """How a step walks a table."""

    table: Annotated[str, says("The table.")]
    key: Annotated[str, says("The columns that it walks along; empty where the engine has one way.")]
    batch: Annotated[int, says("How many rows it takes at a time.")]


class StepEntry(Part, frozen=True):
    """What commits or fails alone. Its body is not in the document: `checksum` says which file is meant."""

    summary: Annotated[str, says("In one line.")]
    atomic: Annotated[bool, says("It commits together with its record in the history.")]
    backfill: Annotated[BackfillEntry | None, says("How it walks a table; null where it does not.")]

    @classmethod
    def of(cls, step: Step) -> StepEntry:
        walk = step.backfill
        backfill = BackfillEntry(walk.table, walk.key, walk.batch) if walk else None
        return cls(step.summary, step.atomic, backfill)


class ActionEntry(Part, frozen=True):
    """One migration that would be applied or reverted."""

    version: Annotated[str, says("Its version.")]
    name: Annotated[str, says("Its name.")]
    checksum: Annotated[str, says("SHA-256 of its file, line ends as LF.")]
    phase: Annotated[Phase, says("Its phase.")]
    direction: Annotated[Direction, says("`up` or `down`.")]
    after: Annotated[tuple[str, ...], says("What it declares itself `after=`, applied or not.")]
    waits_for: Annotated[
        tuple[str, ...], says("Migrations of other databases in this plan that have to be recorded first.")
    ]
    resumes: Annotated[bool, says("A former run began it and did not finish it.")]
    reversible: Annotated[bool, says("It can be reverted.")]
    irreversible_because: Annotated[str, says("Why it cannot be reverted, as its author wrote it.")]
    steps: Annotated[tuple[StepEntry, ...], says("Its steps, in order.")]

    @classmethod
    def of(cls, action: Action) -> ActionEntry:
        migration = action.migration
        said = migration.irreversible
        return cls(
            migration.version,
            migration.name,
            migration.checksum,
            migration.phase,
            action.direction,
            tuple(map(str, migration.after)),
            tuple(map(str, action.waits_for)),
            action.resumes,
            bool(migration.down) and said is None,
            said.because if said else "",
            tuple(StepEntry.of(each) for each in migration.steps(action.direction)),
        )

    @property
    def label(self) -> str:
        return f"{self.version}_{self.name}"


class DeferredEntry(Part, frozen=True):
    """A pending migration that does not run now."""

    version: Annotated[str, says("Its version.")]
    name: Annotated[str, says("Its name.")]
    phase: Annotated[Phase, says("Its phase.")]
    because: Annotated[str, says("The gate that defers it, or what it would have to come after.")]
    blocked_by: Annotated[
        str | None,
        says("The deferred migration of another database that its `after=` names, as database:version."),
    ]

    @classmethod
    def of(cls, deferred: Deferred) -> DeferredEntry:
        return cls(
            deferred.ref.version,
            deferred.name,
            deferred.phase,
            deferred.because,
            str(deferred.blocked_by) if deferred.blocked_by else None,
        )


class UnmetEntry(Part, frozen=True):
    """What a migration needs and is not deployed."""

    version: Annotated[str, says("The migration.")]
    needs: Annotated[str, says("What is missing.")]


class HazardEntry(Part, frozen=True):
    """A reason why a migration may hurt."""

    version: Annotated[str, says("The migration.")]
    code: Annotated[str, says("Its code, which has a page in the documentation.")]
    what: Annotated[str, says("What the migration does.")]
    because: Annotated[str, says("What that may do to whom.")]
    try_: Annotated[str, says("The way round.")]
    line: Annotated[int, says("The line of the statement in the migration's file; 0 where there is none.")]
    refused: Annotated[bool, says("A protected environment refuses it, unless the migration allows it.")]
    allowed: Annotated[
        str, says("Why the migration allows it, as its author wrote it; empty where it does not.")
    ]

    @classmethod
    def of(cls, migration: Migration, hazard: Hazard) -> HazardEntry:
        allowed = next((each.because for each in migration.allows if each.code == hazard.code), "")
        return cls(
            migration.version,
            hazard.code,
            hazard.what,
            hazard.because,
            hazard.try_,
            hazard.line,
            hazard.refused,
            allowed,
        )


class QuantityEntry(Part, frozen=True):
    """A number of an estimate."""

    name: Annotated[str, says("`items`, `read_units`, `write_units`, `seconds`, `dollars`.")]
    value: Annotated[float, says("How many.")]


class EstimateEntry(Part, frozen=True):
    """What a migration will cost."""

    version: Annotated[str, says("The migration.")]
    quantities: Annotated[tuple[QuantityEntry, ...], says("For machines.")]
    lines: Annotated[tuple[str, ...], says("For people.")]

    @classmethod
    def of(cls, estimate: Estimate) -> EstimateEntry:
        quantities = tuple(QuantityEntry(name, value) for name, value in estimate.quantities.items())
        return cls(estimate.version, quantities, estimate.lines)


class DatabasePlanEntry(Part, frozen=True):
    """What would be done to one database, in order."""

    database: Annotated[str, says("Its id.")]
    basis: Annotated[
        tuple[str, ...],
        says(
            "Digests of every state of the history that the plan passes through. A plan file is refused for a database"
            " that is in none of them."
        ),
    ]
    actions: Annotated[tuple[ActionEntry, ...], says("The migrations that would run.")]
    deferred: Annotated[tuple[DeferredEntry, ...], says("Pending migrations that this plan leaves out.")]
    changes: Annotated[
        tuple[ChangeEntry, ...],
        says(
            "What a deployment through the gate would change, where the schema is infrastructure. A plan file is"
            " refused where `deploy` or `apply` finds other changes, not where some of them are made."
        ),
    ]
    deferred_changes: Annotated[
        tuple[ChangeEntry, ...], says("What such a deployment leaves to a later gate.")
    ]
    unmet: Annotated[tuple[UnmetEntry, ...], says("What migrations need and is not deployed.")]
    hazards: Annotated[tuple[HazardEntry, ...], says("Why migrations may hurt.")]
    estimates: Annotated[tuple[EstimateEntry, ...], says("What migrations will cost, where that is known.")]

    @classmethod
    def of(cls, plan: DatabasePlan) -> DatabasePlanEntry:
        migrations = {each.migration.version: each.migration for each in plan.actions}
        return cls(
            plan.database,
            plan.basis,
            tuple(ActionEntry.of(each) for each in plan.actions),
            tuple(DeferredEntry.of(each) for each in plan.deferred),
            tuple(ChangeEntry.of(each) for each in plan.changes),
            tuple(ChangeEntry.of(each) for each in plan.deferred_changes),
            tuple(UnmetEntry(version, what) for version, what in sorted(plan.unmet.items())),
            tuple(
                HazardEntry.of(migrations[version], each)
                for version, those in sorted(plan.hazards.items())
                for each in those
            ),
            tuple(EstimateEntry.of(each) for each in plan.estimates),
        )


class PlanDocument(Document, frozen=True, kw_only=True, tag="seedbed/plan/1"):
    """What `apply` or `revert` would do. A plan file holds the same, and `apply PLAN` reads it."""

    commands: ClassVar = ("plan", "apply", "revert")

    environment: Annotated[str, says("The environment's name.")]
    direction: Annotated[Direction, says("`up` to apply, `down` to revert.")]
    gate: Annotated[Phase, says("How far it goes: `--through`.")]
    to: Annotated[str | None, says("The version that it stops after: `--to`.")]
    out_of_order: Annotated[bool, says("Versions before one that is applied are planned as well.")]
    databases: Annotated[tuple[DatabasePlanEntry, ...], says("What would be done to each.")]
    stages: Annotated[
        tuple[tuple[str, ...], ...],
        says(
            "The migrations in an order that is right: stage after stage, what is in one of them side by side."
        ),
    ]

    @classmethod
    def of(cls, plan: Plan, command: str) -> PlanDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=plan.environment,
            direction=plan.direction,
            gate=plan.gate,
            to=plan.to,
            out_of_order=plan.out_of_order,
            databases=tuple(DatabasePlanEntry.of(each) for each in plan.databases),
            stages=tuple(tuple(map(str, stage)) for stage in plan.stages),
        )
