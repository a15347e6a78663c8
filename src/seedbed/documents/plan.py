"""Plans: what would be done to databases. The one document that is also read: `apply PLAN`, `seed PLAN`."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, ClassVar

from msgspec.json import encode
from msgspec.structs import replace

from seedbed.documents.deployment import ChangeEntry
from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.documents.expectations import EndEntry
from seedbed.documents.plan_terms import (
    ApprovalsEntry,
    RollbackEntry,
    approvals_needed,
    rollback,
    snapshots_first,
)
from seedbed.documents.planned_seeds import SeedEntry
from seedbed.documents.prospects import EstimateEntry, LossEntry, UnverifiedEntry
from seedbed.documents.seen import SeenEntry
from seedbed.documents.stacks import RefusalEntry, StackPlanEntry
from seedbed.documents.texts import Redact, TextOf, by_line
from seedbed.errors import ExitCode, Location, Refused
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Direction, Migration, Phase, Step, StepText
from seedbed.model.plan import Action, DatabasePlan, Deferred, Plan


class BackfillEntry(Part, frozen=True):
    """How a step walks a table."""

    table: Annotated[str, says("The table.")]
    key: Annotated[str, says("The columns that it walks along; empty where the engine has one way.")]
    batch: Annotated[int, says("How many rows it takes at a time.")]


class StepEntry(Part, frozen=True):
    """What commits or fails alone."""

    statements: Annotated[
        tuple[str, ...],
        says(
            "What it sends: each statement or request whole, on one line, without comments; of a program the first"
            " line of what its function says of itself, and what it does by what is declared beside it."
        ),
    ]
    text: Annotated[
        str,
        says(
            "What it sends, whole, as it is written; of a program the whole file, and what is declared beside it."
        ),
    ]
    sha256: Annotated[str, says("SHA-256 of `text` in UTF-8.")]
    comment: Annotated[str, says("What begins a comment in `text`.")]
    line: Annotated[int, says("The line of the migration's file that it begins on.")]
    atomic: Annotated[bool, says("It commits together with its record in the history.")]
    backfill: Annotated[BackfillEntry | None, says("How it walks a table; null where it does not.")]

    @classmethod
    def of(cls, step: Step, text: StepText) -> StepEntry:
        walk = step.backfill
        backfill = BackfillEntry(walk.table, walk.key, walk.batch) if walk else None
        digest = sha256(text.text.encode()).hexdigest()
        return cls(text.statements, text.text, digest, text.comment, step.line, step.atomic, backfill)


class ActionEntry(Part, frozen=True):
    """One migration that would be applied or reverted."""

    version: Annotated[str, says("Its version.")]
    name: Annotated[str, says("Its name.")]
    path: Annotated[str, says("Its file.")]
    checksum: Annotated[str, says("SHA-256 of its file, line ends as LF.")]
    settings: Annotated[
        Mapping[str, str],
        says("Directives of its engine that hold while it runs, as written: `lock_timeout`."),
    ]
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
    expects: Annotated[tuple[EndEntry, ...], says("What is asked after its last batch: `expect=`.")]

    @classmethod
    def of(cls, action: Action, text_of: TextOf, redact: Redact = str) -> ActionEntry:
        migration = action.migration
        asked = migration.postconditions if action.direction is Direction.UP else ()
        said = migration.irreversible
        return cls(
            migration.version,
            migration.name,
            migration.path,
            migration.checksum,
            dict(migration.settings),
            migration.phase,
            action.direction,
            tuple(map(str, migration.after)),
            tuple(map(str, action.waits_for)),
            action.resumes,
            bool(migration.down) and said is None,
            said.because if said else "",
            tuple(
                StepEntry.of(each, text_of(action.database, migration, each))
                for each in migration.steps(action.direction)
            ),
            tuple(EndEntry(redact(each.query), redact(each.because)) for each in asked),
        )

    @property
    def label(self) -> str:
        return f"{self.version}_{self.name}"

    @property
    def is_program(self) -> bool:
        return self.path.endswith(".py")


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
    fails: Annotated[bool, says("The target rejects it as it is now; `plan` exits with 3.")]
    in_base: Annotated[
        bool, says("This environment lies in a base, and refuses it, unless the migration allows it.")
    ]
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
            hazard.fails,
            hazard.in_base,
            allowed,
        )


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
    losses: Annotated[tuple[LossEntry, ...], says("The data that a revert would remove.")]
    seeds: Annotated[
        tuple[SeedEntry, ...],
        says(
            "What `seed` would load, in that order, where the environment is protected. A plan file is refused where"
            " `seed` finds other seeds."
        ),
    ]

    unverified: Annotated[
        tuple[UnverifiedEntry, ...],
        says("What contracts wait for, where the environment is protected; `apply` refuses them until then."),
    ]
    seen: Annotated[
        SeenEntry | None,
        says(
            "When a run looked at it last, where the plan is made from the state document; null where it was asked."
        ),
    ]
    unknown: Annotated[
        tuple[str, ...], says("What the plan does not know, because the database was not asked, as text.")
    ]
    logins: Annotated[
        tuple[str, ...],
        says(
            "What `apply` makes, grants or sets of its logins before anything else, as text. No plan file is refused"
            " for it."
        ),
    ]

    @classmethod
    def of(cls, plan: DatabasePlan, text_of: TextOf, redact: Redact, environment: str) -> DatabasePlanEntry:
        migrations = {each.migration.version: each.migration for each in plan.actions}
        return cls(
            plan.database,
            plan.basis,
            tuple(ActionEntry.of(each, text_of, redact) for each in plan.actions),
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
            tuple(map(LossEntry.of, plan.losses)),
            tuple(SeedEntry.of(each, redact) for each in plan.seeds),
            tuple(UnverifiedEntry.of(each, environment) for each in plan.unverified),
            SeenEntry.of(plan.seen),
            plan.unknown,
            plan.logins,
        )


class PlanDocument(Document, frozen=True, kw_only=True, tag="seedbed/plan/1"):
    """What `apply` or `revert` would do. A plan file holds the same; `apply PLAN` and `seed PLAN` read it."""

    commands: ClassVar = ("plan", "apply", "revert")

    digest: Annotated[
        str,
        says(
            "SHA-256 of all that follows, and so of what was shown: a plan file in which anything was changed is"
            " refused."
        ),
    ] = ""
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
    stacks: Annotated[
        tuple[StackPlanEntry, ...],
        says(
            "The stacks of CloudFormation that `deploy` with the same selection would touch, in its order; last those"
            " that the app no longer makes. `deploy PLAN` refuses a stack that is not among them."
        ),
    ] = ()
    stacks_unseen: Annotated[
        str,
        says(
            "Why no stack was looked at, or which were not; empty where all were, and where nothing is deployed: there"
            " is no CDK app, or the plan is to revert."
        ),
    ] = ""
    release: Annotated[
        int,
        says("The number of the release whose steps alone may carry it out; 0 where any run may."),
    ] = 0
    image: Annotated[
        str, says("The container image of the task that would carry it out; empty where there is none.")
    ] = ""
    snapshots: Annotated[
        tuple[str, ...],
        says("The databases that a contract changes: a release takes snapshots of them before it."),
    ] = ()
    rollback: Annotated[
        tuple[RollbackEntry, ...], says("How what each phase does is taken back, in their order.")
    ] = ()
    approvals_needed: Annotated[
        tuple[ApprovalsEntry, ...],
        says("How many people approve steps of a release there; empty where no approval is asked for."),
    ] = ()

    @classmethod
    def of(cls, plan: Plan, command: str, text_of: TextOf = by_line, redact: Redact = str) -> PlanDocument:
        """Return `plan` as a document, the texts of its seeds masked by `redact`.

        `text_of`: what a step sends, by the id of its database.
        """
        document = cls(
            seedbed=VERSION,
            command=command,
            environment=plan.environment,
            direction=plan.direction,
            gate=plan.gate,
            to=plan.to,
            out_of_order=plan.out_of_order,
            databases=tuple(
                DatabasePlanEntry.of(each, text_of, redact, plan.environment) for each in plan.databases
            ),
            stages=tuple(tuple(map(str, stage)) for stage in plan.stages),
            stacks=tuple(map(StackPlanEntry.of, plan.stacks)),
            stacks_unseen=plan.stacks_unseen,
            release=plan.release,
            image=plan.terms.image,
            snapshots=snapshots_first(plan),
            rollback=rollback(plan),
            approvals_needed=approvals_needed(plan),
        )
        return replace(document, digest=document.digest_of_content())

    @property
    def failing(self) -> tuple[ActionEntry, ...]:
        """The actions that their targets reject as they are now."""
        return tuple(
            action
            for each in self.databases
            for action in each.actions
            if any(one.fails and one.version == action.version for one in each.hazards)
        )

    @property
    def refused_stacks(self) -> tuple[RefusalEntry, ...]:
        """Why `deploy` would refuse stacks as they are."""
        return tuple(one for each in self.stacks for one in each.refusals)

    @property
    def rejections(self) -> tuple[ErrorEntry, ...]:
        """What `failing` says, as errors beside their lines."""
        return tuple(
            ErrorEntry(
                Refused.__name__,
                f"{action.label} would fail as things are: {one.what}",
                one.because,
                one.try_,
                Location(action.path, one.line),
                ExitCode.REFUSED,
                each.database,
                action.version,
            )
            for each in self.databases
            for action in each.actions
            for one in each.hazards
            if one.fails and one.version == action.version
        )

    def digest_of_content(self) -> str:
        """Return the SHA-256 of everything but who wrote it, as JSON without blanks, its keys in order."""
        content = replace(self, digest="", seedbed="", command="")
        return sha256(encode(content, order="deterministic")).hexdigest()
