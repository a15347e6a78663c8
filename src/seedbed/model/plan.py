"""A plan: what would be done, in which order, and what it was made from."""

from __future__ import annotations

from msgspec import Struct

from seedbed.model.migration import Direction, Migration, MigrationRef, Phase


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


class Held(Struct, frozen=True):
    """A pending migration that does not run now, and why."""

    ref: MigrationRef
    name: str
    phase: Phase
    because: str


class DatabasePlan(Struct, frozen=True):
    """What is to be done on one database, in order.

    `basis`: digests of every history state that this plan itself passes through, the first being the one it
    was made from; a target in any of them may go on with it, in any other the plan is stale.
    """

    database: str
    actions: tuple[Action, ...]
    held: tuple[Held, ...] = ()
    basis: tuple[str, ...] = ()


class Plan(Struct, frozen=True):
    """What is to be done on all of them. `stages`: refs that may run side by side, stage after stage."""

    environment: str
    direction: Direction
    databases: tuple[DatabasePlan, ...]
    stages: tuple[tuple[MigrationRef, ...], ...] = ()
    gate: Phase = Phase.CONTRACT
    to: str | None = None
    out_of_order: bool = False

    @property
    def is_empty(self) -> bool:
        return not any(each.actions for each in self.databases)

    def of(self, database: str) -> DatabasePlan:
        return next(each for each in self.databases if each.database == database)
