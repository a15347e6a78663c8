"""What a revert would remove. Reads only."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from seedbed.engines.capabilities import SupportsLosses
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.looking import each_database
from seedbed.model.migration import Direction
from seedbed.model.plan import DatabasePlan, Plan


def counted(plan: Plan, connected: Sequence[ConnectedTarget]) -> Plan:
    """Return `plan` with the data that its reverts would remove."""
    return each_database(plan, connected, _counted)


def _counted(each: ConnectedTarget, database: DatabasePlan) -> DatabasePlan:
    works = [each for each in database.works if each.direction is Direction.DOWN]
    if not works or not isinstance(each.session, SupportsLosses):
        return database
    return replace(database, losses=tuple(each.session.losses(works)))
