"""Hazards of pending migrations that reach beyond their own database, where others lie on the same server."""

from __future__ import annotations

from msgspec.structs import replace

from seedbed.engines.sharing import SupportsSharing
from seedbed.model.environment import Environment
from seedbed.model.migration import Direction
from seedbed.model.plan import DatabasePlan, Plan
from seedbed.project.catalog import Catalog


def examined(plan: Plan, environment: Environment, catalog: Catalog) -> Plan:
    """Return `plan` with the hazards of actions on databases that lie on the server of a base; asks no target."""
    if not environment.base:
        return plan
    return replace(plan, databases=tuple(_examined(each, environment, catalog) for each in plan.databases))


def _examined(plan: DatabasePlan, environment: Environment, catalog: Catalog) -> DatabasePlan:
    database = catalog.platform.database(plan.database)
    if database is None or not environment.lies_in_base(database.service, database.engine):
        return plan
    engine = catalog.engine(database.engine)
    if not isinstance(engine, SupportsSharing):
        return plan
    hazards = dict(plan.hazards)
    for action in plan.actions:
        if action.direction is Direction.UP:
            version = action.migration.version
            known = hazards.get(version, ())
            told = {(each.code, each.line) for each in known}  # the session may have looked for the same
            found = engine.sharing_hazards(action.migration, database.options)
            more = [each for each in found if (each.code, each.line) not in told]
            if more:
                hazards[version] = tuple(sorted((*known, *more), key=lambda one: one.line))
    return replace(plan, hazards=hazards)
