"""Plans made from the files and from what the histories say at the moment: of an apply, and of a revert.

A run plans twice: once to know which targets have work, and again under their leases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from seedbed.errors import Hint, StalePlan, call, try_each
from seedbed.execution import infrastructure
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.executing import Replan
from seedbed.execution.feasible import require_feasible
from seedbed.model.environment import Environment
from seedbed.model.history import History
from seedbed.model.migration import MigrationFile
from seedbed.model.plan import Plan
from seedbed.model.seed import SeedKind
from seedbed.planning import reviewed
from seedbed.planning.plans import DatabaseState, Policy, combined, plan_down, plan_up, require_no_dependants
from seedbed.planning.reviewed import ReviewedPlan
from seedbed.project.catalog import Catalog
from seedbed.project.neighbours import Neighbours
from seedbed.project.request import Request


class Replanning(Struct, frozen=True):
    """Makes plans for `connected` targets. `failed`: ids of selected databases that did not answer."""

    environment: Environment
    catalog: Catalog
    connected: Sequence[ConnectedTarget]
    failed: Sequence[str]
    neighbours: Neighbours
    redact: Callable[[str], str]

    def up(self, request: Request) -> Replan:
        """Return what plans an apply; the plan refuses what a reviewed one did not show."""
        policy = self._policy(request)

        def replan(histories: dict[str, History]) -> Plan:
            known = self._known(histories)
            if request.reviewed:
                self._require_as_reviewed(request.reviewed, known, policy)
            files, database = self.catalog.files, self.catalog.database
            # What did not answer is planned as if it were empty, so that what comes after it is known to wait.
            lost = [DatabaseState(name, files(database(name)), History()) for name in self.failed]
            beside = [
                DatabaseState(target.id, files(target.database), target.history, selected=False)
                for target in self.neighbours.connected
            ]
            plan = plan_up([*known, *lost, *beside], policy, self.catalog.parse)
            self._require_possible(plan, histories)
            if request.reviewed:
                self._require_as_shown(request.reviewed, plan)
            return plan

        return replan

    def down(self, steps: int, to: str | None) -> Replan:
        """Return what plans a revert, on each target by itself; a second plan has to be the same as the first."""
        policy = self._policy(Request())
        first: list[Plan] = []

        def replan(histories: dict[str, History]) -> Plan:
            known = self._known(histories)
            down = partial(plan_down, policy=policy, parse=self.catalog.parse, steps=steps, to=to)
            plan = combined(try_each((one.database, partial(down, one)) for one in known))
            self._require_possible(plan, histories)
            if first and plan.stages != first[0].stages:
                raise StalePlan(
                    "the history changed while the revert was about to begin",
                    because="another run applied or reverted something meanwhile",
                    try_=Hint("look at ", call("status"), " and run the revert again if it is still wanted"),
                )
            first.append(plan)
            self._require_no_dependants(plan, histories)
            return plan

        return replan

    def require_seeds_as_reviewed(
        self, request: Request, plan: ReviewedPlan, kinds: Sequence[SeedKind]
    ) -> Mapping[str, Mapping[str, str]]:
        """Return the digests of the seeds of each target by their names, once they are what `plan` shows.

        Raises StalePlan, Refused where its migrations are not applied.
        """
        require = partial(self.require_history_as_reviewed, request, plan)
        try_each((each.id, partial(require, each.id, each.history)) for each in self.connected)

        def digests(target: ConnectedTarget) -> Mapping[str, str]:
            seeds = [each for kind in kinds for each in self.catalog.planned_seeds(target.database, kind)]
            reviewed.require_seeds_as_shown(plan, target.id, seeds, self.redact)
            return {each.name: each.sha256 for each in seeds}

        found = try_each((target.id, partial(digests, target)) for target in self.connected)
        return {target.id: each for target, each in zip(self.connected, found, strict=True)}

    def require_history_as_reviewed(
        self, request: Request, plan: ReviewedPlan, database: str, history: History
    ) -> None:
        """Raise StalePlan for a history that `plan` does not lead to, Refused for one on its way there."""
        files = self.catalog.files(self.catalog.database(database))
        reviewed.require_done(plan, DatabaseState(database, files, history), self._policy(request))

    def _policy(self, request: Request) -> Policy:
        environment = self.environment
        return Policy(environment.name, environment.protected, request.gate, request.to, request.out_of_order)

    def _known(self, histories: dict[str, History]) -> list[DatabaseState]:
        return [
            DatabaseState(target.id, self.catalog.files(target.database), histories[target.id])
            for target in self.connected
        ]

    def _require_possible(self, plan: Plan, histories: Mapping[str, History]) -> None:
        """Refuse what can never be carried out: by what is declared, all of it; then by what the targets are."""
        works = {each.database: each.works for each in plan.databases}
        self.catalog.check_declared(works, histories)
        require_feasible(plan, self.connected)

    def _require_as_reviewed(
        self, plan: ReviewedPlan, known: Sequence[DatabaseState], policy: Policy
    ) -> None:
        """Raise StalePlan for histories and changes of infrastructure that the reviewed plan did not show."""
        try_each((each.database, partial(reviewed.require_current, plan, each, policy)) for each in known)
        for target in self.connected:
            changes = infrastructure.changes(target, policy.gate)
            reviewed.require_same_changes(plan, target.id, changes)

    def _require_as_shown(self, reviewed_plan: ReviewedPlan, plan: Plan) -> None:
        """Raise StalePlan where what would be done is not what the reviewed plan shows."""
        from seedbed.documents.texts import masked

        shown = {target.id for target in self.connected}
        text_of = masked(self.catalog.step_text, self.redact)
        try_each(
            (one.database, partial(reviewed.require_as_shown, reviewed_plan, one, text_of, self.redact))
            for one in plan.databases
            if one.database in shown
        )

    def _require_no_dependants(self, plan: Plan, histories: dict[str, History]) -> None:
        """Refuse to revert what applied migrations of another database came after, as far as it can be reached."""
        reverted = [str(ref).encode() for stage in plan.stages for ref in stage]
        naming: dict[str, list[MigrationFile]] = {}
        for database in self.catalog.platform.databases:
            files = self.catalog.files(database)
            found = [each for each in files if any(ref in each.source.data for ref in reverted)]
            if found:
                naming[database.id] = found
        others = [self.catalog.database(each) for each in naming if each not in histories]
        known = {**(self.neighbours.histories(others) if others else {}), **histories}
        for name, those in naming.items():
            for file in those:
                if name in known and known[name].revision(file.version):
                    require_no_dependants(plan, name, self.catalog.parse(name, file))
