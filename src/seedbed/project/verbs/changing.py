"""Verbs that change targets side by side: apply, revert, seed, reset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from seedbed.execution import (
    direct,
    executing,
    infrastructure,
    losses,
    maintenance,
    seeding,
)
from seedbed.model.environment import require_ephemeral
from seedbed.model.history import History
from seedbed.model.outcome import Outcome
from seedbed.model.plan import Plan
from seedbed.model.platform import Database
from seedbed.model.seed import Dataset, SeedKind
from seedbed.planning.hazards import require_allowed_hazards, require_own_database
from seedbed.planning.verified import require_verified
from seedbed.project import protection, released, sharing
from seedbed.project.request import Request
from seedbed.project.verbs.looking import Looking


class Changing(Looking):
    """What a run can do with all its targets."""

    def apply(self, request: Request | None = None) -> Outcome:
        """Apply what is pending; in the sandbox, what is declared is made first.

        Raises what `plan` raises, StalePlan, Refused: then nothing was touched.
        """
        wanted = request or Request()
        protection.require_reviewed(self.environment, wanted)
        released.require_released(self.targets, self.environment, wanted, "apply")
        if protection.is_unreviewed(self.environment, wanted):
            self.context.mark(protection.UNREVIEWED)
        self._read_histories()
        self._neighbours.connect_dependencies(self.connected, self.failed)
        replan = self._replanning.up(wanted)

        def work() -> None:
            infrastructure.unmet(replan(self._histories), self.connected)  # refused before tables are made
            if direct.deploy(self.connected, wanted.gate, self.context):
                executing.carry_out(self.connected, self.failed, permitted, self.context)

        def permitted(histories: dict[str, History]) -> Plan:
            plan = replan(histories)
            infrastructure.require_deployed(plan, self.connected)
            if self.environment.protected:
                require_verified(self._gated(plan, histories))
                require_allowed_hazards(self._examined(plan))
            require_own_database(sharing.examined(plan, self.environment, self.catalog))
            return plan

        is_direct = any(map(direct.is_direct, self.connected))
        return self.outcome_of(work) if is_direct else self._carry_out(permitted)

    def revert(
        self, *, steps: int = 1, to: str | None = None, unreviewed: bool = False, losing: bool = False
    ) -> Outcome:
        """Revert the last `steps` migrations of each target, or all after version `to`.

        `unreviewed`: confirms it for a protected environment. `losing`: confirms that data goes, where the environment
        is neither protected nor ephemeral. Raises what `plan_revert` raises, StalePlan, Refused.
        """
        protection.require_unreviewed(self.environment, unreviewed)
        if self.environment.protected:
            self.context.mark(protection.UNREVIEWED)
        self._read_histories()
        replan = self._replanning.down(steps, to)
        if not losing and protection.asks_about_losses(self.environment):
            plan = losses.counted(replan(self._histories), self.connected)
            protection.require_no_loss(self.environment, plan)
        return self._carry_out(replan)

    def seed(self, kinds: Sequence[SeedKind], request: Request | None = None) -> Outcome:
        """Load datasets; `request`: what of it a protected environment demands, a reviewed plan.

        Raises Refused, StalePlan, SeedFileError, ForeignTarget: then nothing was touched.
        """
        wanted = request or Request()
        protection.require_reviewed_seeds(self.environment, kinds, wanted)
        released.require_released(self.targets, self.environment, wanted, "seed")
        self.catalog.check_declared({target.id: () for target in self.connected})
        self.catalog.require_seed_kinds([target.database for target in self.connected])
        self._read_histories()
        digests: Mapping[str, Mapping[str, str]] = {}
        require_reviewed = None
        if plan := wanted.reviewed:
            digests = self._replanning.require_seeds_as_reviewed(wanted, plan, kinds)
            require_reviewed = partial(self._replanning.require_history_as_reviewed, wanted, plan)

        def open_dataset(database: Database, kind: SeedKind) -> Dataset:
            return self.catalog.dataset(database, kind, digests.get(database.id))

        check = self.catalog.check_script
        return self.outcome_of(
            lambda: seeding.load(self.connected, kinds, open_dataset, self.context, check, require_reviewed)
        )

    def reset(self) -> Outcome:
        """Empty every target. Raises Refused outside ephemeral environments, ForeignTarget."""
        require_ephemeral(self.environment, "reset")
        self._read_histories()
        return self.outcome_of(lambda: maintenance.reset(self.connected, self.context))
