"""Looking at the targets of a plan side by side, and adding to it what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from msgspec.structs import replace

from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.threads import returned, side_by_side
from seedbed.model.plan import DatabasePlan, Plan

Look = Callable[[ConnectedTarget, DatabasePlan], DatabasePlan]


def each_database(plan: Plan, connected: Sequence[ConnectedTarget], look: Look) -> Plan:
    """Return `plan` with what `look` makes of each of its databases that is connected; raises their errors."""
    sessions = {each.id: each for each in connected}
    found = side_by_side(
        [
            partial(look, sessions[each.database], each)
            if each.database in sessions
            else partial(_as_it_is, each)
            for each in plan.databases
        ]
    )
    return replace(plan, databases=tuple(returned([each.database for each in plan.databases], found)))


def _as_it_is(database: DatabasePlan) -> DatabasePlan:
    return database
