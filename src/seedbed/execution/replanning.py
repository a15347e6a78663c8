"""Plans that are made anew from what the histories say at the moment: of an apply, and of a revert."""

from __future__ import annotations

from msgspec import Struct

from seedbed.errors import StalePlan
from seedbed.execution import infrastructure
from seedbed.execution.applying import Replan
from seedbed.execution.reach import Looking, Reach
from seedbed.model.environment import Environment
from seedbed.model.history import History
from seedbed.model.migration import Phase
from seedbed.model.plan import Plan
from seedbed.model.platform import Database
from seedbed.planning import reviewed
from seedbed.planning.plans import Known, Policy, combined, plan_down, plan_up, refuse_dependants
from seedbed.planning.reviewed import ReviewedPlan


class Request(Struct, frozen=True):
    """How far an apply may go. `reviewed`: the plan that binds it; `unreviewed`: go on without one anywhere."""

    gate: Phase = Phase.CONTRACT
    to: str | None = None
    out_of_order: bool = False
    reviewed: ReviewedPlan | None = None
    unreviewed: bool = False

    @classmethod
    def of(cls, plan: ReviewedPlan) -> Request:
        """Return the request that carries out a reviewed plan and nothing else."""
        return cls(plan.gate, plan.to, plan.out_of_order, plan)


class Replanning(Struct, frozen=True):
    """Makes plans for what was reached, with the files that `looking` knows."""

    looking: Looking

    def up(self, reach: Reach, request: Request) -> Replan:
        """Return what plans an apply; the plan refuses what a reviewed one did not show."""
        policy = _policy(reach.environment, request)
        plan_file = request.reviewed

        def replan(histories: dict[str, History]) -> Plan:
            known = self._known(reach, histories)
            # What did not answer is planned as if it were empty, so that what comes after it is known to wait.
            lost = [Known(name, self.looking.files(self._database(name)), History()) for name in reach.failed]
            beside = [
                Known(each.id, self.looking.files(each.target.database), each.history, selected=False)
                for each in reach.looked_at
            ]
            if plan_file:
                _refuse_others(reach, plan_file, known, policy)
            return plan_up([*known, *lost, *beside], policy, self.looking.parse)

        return replan

    def down(self, reach: Reach, steps: int, to: str | None) -> Replan:
        """Return what plans a revert, on each target by itself; a second plan has to be the same as the first."""
        policy = _policy(reach.environment, Request())
        first: list[Plan] = []

        def replan(histories: dict[str, History]) -> Plan:
            plan = combined(
                [
                    plan_down(each, policy, self.looking.parse, steps=steps, to=to)
                    for each in self._known(reach, histories)
                ]
            )
            if first and plan.stages != first[0].stages:
                raise StalePlan(
                    "the history changed while the revert was about to begin",
                    because="another run applied or reverted something meanwhile",
                    try_="look at seedbed status, and run the revert again if it is still wanted",
                )
            first.append(plan)
            self._refuse_dependants(reach, plan, histories)
            return plan

        return replan

    def _known(self, reach: Reach, histories: dict[str, History]) -> list[Known]:
        return [
            Known(each.id, self.looking.files(each.target.database), histories[each.id])
            for each in reach.reached
        ]

    def _database(self, name: str) -> Database:
        found = self.looking.platform.database(name)
        assert found is not None  # it was selected
        return found

    def _refuse_dependants(self, reach: Reach, plan: Plan, histories: dict[str, History]) -> None:
        """Refuse to take away what another database's applied migrations came after, as far as we can look."""
        looking = self.looking
        reverted = [str(ref).encode() for stage in plan.stages for ref in stage]
        for database in looking.platform.databases:
            naming = [
                each for each in looking.files(database) if any(ref in each.source.data for ref in reverted)
            ]
            if not naming:
                continue
            history = histories.get(database.id) or looking.history(reach, database)
            for file in naming:
                if history and history.revision(file.version):
                    refuse_dependants(plan, database.id, looking.parse(database.id, file))


def _refuse_others(reach: Reach, plan_file: ReviewedPlan, known: list[Known], policy: Policy) -> None:
    """Refuse histories and changes of infrastructure that the reviewed plan did not show."""
    for each in known:
        reviewed.refuse_stale(plan_file, each, policy)
    for one in reach.reached:
        reviewed.refuse_other_changes(plan_file, one.id, infrastructure.changes(one, policy.gate))


def _policy(environment: Environment, request: Request) -> Policy:
    return Policy(environment.name, environment.protected, request.gate, request.to, request.out_of_order)
