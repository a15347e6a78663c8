"""Why the actions of a plan may hurt: what their files show, and what their targets show. Reads only."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from seedbed.engines.capabilities import SupportsExamination
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.looking import each_database
from seedbed.model.migration import Direction
from seedbed.model.plan import DatabasePlan, Plan


def examined(plan: Plan, connected: Sequence[ConnectedTarget]) -> Plan:
    """Return `plan` with the hazards of its actions, in the order of their lines."""
    return each_database(plan, connected, _examined)


def _examined(each: ConnectedTarget, database: DatabasePlan) -> DatabasePlan:
    migrations = [action.migration for action in database.actions if action.direction is Direction.UP]
    session = each.session
    seen = session.examine(migrations) if migrations and isinstance(session, SupportsExamination) else {}
    found = {
        one.version: tuple(sorted((*one.hazards, *seen.get(one.version, ())), key=lambda hazard: hazard.line))
        for one in migrations
    }
    return replace(database, hazards={version: hazards for version, hazards in found.items() if hazards})
