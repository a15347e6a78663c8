"""A plan: what would be done, in which order, and what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from seedbed.model.deployment import Change, Estimate, StackPlan
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Direction, Migration, MigrationRef, Phase, Work
from seedbed.model.remembered import Seen
from seedbed.model.seed import PlannedSeed
from seedbed.support.phrases import count


class Action(Struct, frozen=True):
    """One migration to be carried out on one database.

    `waits_for`: migrations of other databases in the same plan that have to be recorded first.
    `resumes`: a former run started it and did not finish.
    """

    database: str
    migration: Migration
    direction: Direction = Direction.UP
    waits_for: tuple[MigrationRef, ...] = ()
    resumes: bool = False

    @property
    def ref(self) -> MigrationRef:
        return MigrationRef(self.database, self.migration.version)


class Deferred(Struct, frozen=True):
    """A pending migration that does not run now, and why.

    `blocked_by`: the deferred migration of another database that its `after=` names; None where its own gate,
    `--to`, or an earlier migration of its own database defers it.
    """

    ref: MigrationRef
    name: str
    phase: Phase
    because: str
    blocked_by: MigrationRef | None = None


class Certainty(StrEnum):
    """How sure the number of what goes is; the value stands before it in a sentence."""

    EXACT = ""
    ABOUT = "about"
    AT_MOST = "at most"
    AT_LEAST = "at least"


_MANY = {"entity": "entities"}


class Loss(Struct, frozen=True):
    """Data that a migration would remove. `what` it is in; `rows`: how many, in `unit`; None where that is unknown."""

    version: str
    what: str
    rows: int | None
    certainty: Certainty = Certainty.EXACT
    unit: str = "row"

    def __str__(self) -> str:
        if self.rows is None:
            return f"{self.what}: an unknown number of {_MANY.get(self.unit, f'{self.unit}s')}"
        many = count(self.rows, self.unit, _MANY.get(self.unit, ""))
        return " ".join(filter(None, (f"{self.what}:", self.certainty, many)))


class Unverified(Struct, frozen=True):
    """What the contract `version` of a protected environment still waits for, and how to get it."""

    version: str
    what: str
    try_: str


class DatabasePlan(Struct, frozen=True):
    """What is to be done on one database, in order.

    `basis`: digests of every history state that this plan itself passes through, the first being the one it
    was made from; a target in any of them may go on with it, in any other the plan is stale. `changes`: what a
    deployment through the plan's gate changes, `deferred_changes`: what it leaves to a later gate. `unmet`: by
    version, what an action needs and is not there.
    `hazards`: by version, why an action may hurt. `estimates`: what actions will
    cost, where that was asked for. `losses`: the data that a revert would remove. `seeds`: what `seed` would load,
    where that is reviewed. `unverified`: what its contracts wait for, where the environment is protected. `seen`: when
    the database was looked at, where it was not asked; `unknown`: what only it could tell, as text.
    `logins`: what an apply makes or grants first, as text.
    """

    database: str
    actions: tuple[Action, ...]
    deferred: tuple[Deferred, ...] = ()
    basis: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    deferred_changes: tuple[Change, ...] = ()
    unmet: Mapping[str, str] = field(default_factory=dict)
    hazards: Mapping[str, tuple[Hazard, ...]] = field(default_factory=dict)
    estimates: tuple[Estimate, ...] = ()
    losses: tuple[Loss, ...] = ()
    seeds: tuple[PlannedSeed, ...] = ()
    unverified: tuple[Unverified, ...] = ()
    seen: Seen | None = None
    unknown: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()

    @property
    def works(self) -> tuple[Work, ...]:
        """What is to be carried out, in order."""
        return tuple(Work(each.migration, each.direction) for each in self.actions)

    def estimate(self, version: str) -> Estimate | None:
        return next((each for each in self.estimates if each.version == version), None)


class Terms(Struct, frozen=True):
    """What a plan is shown with, and is carried out under.

    `image`: of the task that carries it out, empty where there is none. `approvals`: how many people approve a step of
    a release, by the step's name.
    """

    image: str = ""
    approvals: tuple[tuple[str, int], ...] = ()


class Plan(Struct, frozen=True):
    """What is to be done on all of them. `stages`: refs that may run side by side, stage after stage.

    `stacks`: what a deployment of them would change, where they were looked at; `stacks_unseen`: which were not, and
    why. `release`: the number of the one that alone may carry it out; 0: any run may.
    """

    environment: str
    direction: Direction
    databases: tuple[DatabasePlan, ...]
    stages: tuple[tuple[MigrationRef, ...], ...] = ()
    gate: Phase = Phase.CONTRACT
    to: str | None = None
    out_of_order: bool = False
    stacks: tuple[StackPlan, ...] = ()
    stacks_unseen: str = ""
    release: int = 0
    terms: Terms = Terms()

    @property
    def is_empty(self) -> bool:
        works = any(each.actions or each.changes or each.logins for each in self.databases)
        return not works and not any(each.changes for each in self.stacks)

    @property
    def losses(self) -> tuple[tuple[str, Loss], ...]:
        """What would be removed, each with its database."""
        return tuple((each.database, loss) for each in self.databases for loss in each.losses)

    def of(self, database: str) -> DatabasePlan:
        return next(each for each in self.databases if each.database == database)
