"""Verbs that look: where everything stands, and what would be done. They change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from seedbed.errors import try_each
from seedbed.execution import (
    hazards,
    infrastructure,
    logins,
    losses,
    recalling,
    remembering,
)
from seedbed.execution.connecting import lease_holders
from seedbed.model.history import History
from seedbed.model.plan import Plan
from seedbed.model.remembered import Remembered
from seedbed.model.seed import SeedKind
from seedbed.model.status import DatabaseStatus, Status
from seedbed.planning.statuses import migration_statuses
from seedbed.project import owners, sharing, verified
from seedbed.project.request import Request
from seedbed.project.verbs.opened import OpenRun


class Looking(OpenRun):
    """What a run can tell."""

    def status(self) -> Status:
        """Return where every migration of every target stands."""
        self._read_histories()
        to_deploy = infrastructure.pending(self.connected)
        of_logins = logins.pending(self.connected)
        holders = lease_holders(self.connected)
        databases = [
            DatabaseStatus(
                target.id,
                str(target.target.address),
                target.session.server,
                str(target.history.identity or ""),
                migration_statuses(
                    target.id,
                    target.history,
                    self.catalog.files(target.database),
                    partial(self.catalog.phase, target.database),
                    partial(self.catalog.parse, target.id),
                    partial(self.catalog.checkpoint_text, target.database),
                    is_in_use=bool(holders[target.id]),
                ),
                deployment=to_deploy[target.id],
                holder=holders[target.id],
                seen=recalling.seen(target),
                logins=of_logins[target.id],
            )
            for target in self.connected
        ]
        databases += [DatabaseStatus(name, "", error=error) for name, error in self.failed.items()]
        return Status(self.environment.name, tuple(sorted(databases, key=lambda status: status.database)))

    def plan(self, request: Request | None = None) -> Plan:
        """Return what an apply would do now. Raises HistoryConflict, GateRefused, MigrationFileError, UsageError."""
        self._read_histories()
        self._neighbours.connect_dependencies(self.connected, self.failed)
        plan = self._replanning.up(request or Request())(self._histories)
        plan = self._gated(plan, self._histories)
        plan = logins.described(infrastructure.described(plan, self.connected), self.connected)
        return recalling.told(self._examined(plan), self.connected)

    def plan_revert(self, *, steps: int = 1, to: str | None = None) -> Plan:
        """Return what `revert` would do, on each target by itself. Raises Irreversible, HistoryConflict."""
        self._read_histories()
        return losses.counted(self._replanning.down(steps, to)(self._histories), self.connected)

    def estimate(self, plan: Plan, *, sample: int = 0) -> Plan:
        """Return `plan` with what its actions will cost, each tried on `sample` items (0: judged by sizes)."""
        return infrastructure.estimated(plan, self.connected, sample)

    def with_seeds(self, plan: Plan) -> Plan:
        """Return `plan` with the seeds that its environment demands to be reviewed; no program of them is run.

        Raises what is wrong with their files: SeedFileErrors.
        """
        if not self.environment.protected:
            return plan
        databases = [self.catalog.database(each.database) for each in plan.databases]
        self.catalog.require_seed_kinds(databases)
        seeds = try_each(
            (each.id, partial(self.catalog.planned_seeds, each, SeedKind.REFERENCE)) for each in databases
        )
        pairs = zip(plan.databases, seeds, strict=True)
        return replace(plan, databases=tuple(replace(each, seeds=those) for each, those in pairs))

    def remembered(self, run: str, at: datetime) -> list[Remembered]:
        """Return what is known of each target that answers, for who cannot ask it; `at`: now, `run`: our own id."""
        everything = [*self.connected, *self._neighbours.connected]
        return remembering.remembered(everything, self.targets.connector, run=run, at=at)[0]

    def _gated(self, plan: Plan, histories: Mapping[str, History]) -> Plan:
        """Return `plan` with what its contracts wait for."""
        beside = {each.id: each.history for each in self._neighbours.connected}
        return verified.gated(plan, self.environment, self.catalog, self.connected, {**beside, **histories})

    def _examined(self, plan: Plan) -> Plan:
        """Return `plan` with what its files, its targets and the files of other services show of its hazards."""
        plan = owners.examined(hazards.examined(plan, self.connected), self.connected, self.catalog)
        return sharing.examined(plan, self.environment, self.catalog)
