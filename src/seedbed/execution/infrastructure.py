"""What plans and runs need to know about databases whose schema is infrastructure. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from seedbed.engines.capabilities import SupportsEstimates
from seedbed.engines.infrastructure import SupportsDeployedState, SupportsDirectSession
from seedbed.errors import Hint, Refused, call, try_each
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.looking import each_database
from seedbed.execution.threads import returned, side_by_side
from seedbed.model.deployment import Change
from seedbed.model.migration import Phase
from seedbed.model.plan import DatabasePlan, Plan


def changes(each: ConnectedTarget, gate: Phase) -> tuple[Change, ...]:
    """Return what a deployment through `gate` would change in one database."""
    return tuple(each.session.changes(gate)) if isinstance(each.session, SupportsDeployedState) else ()


def pending(connected: Sequence[ConnectedTarget]) -> dict[str, tuple[str, ...]]:
    """Return, by database, what a deployment of all that is declared would change, in words."""
    found = side_by_side([partial(changes, each, Phase.CONTRACT) for each in connected])
    ids = [each.id for each in connected]
    return {
        database: tuple(change.what for change in those)
        for database, those in zip(ids, returned(ids, found), strict=True)
    }


def described(plan: Plan, connected: Sequence[ConnectedTarget]) -> Plan:
    """Return `plan` with what a deployment would change, and with what its actions need and do not find."""
    return each_database(plan, connected, partial(_described, plan.gate))


def estimated(plan: Plan, connected: Sequence[ConnectedTarget], sample: int) -> Plan:
    """Return `plan` with what its actions will cost, each tried on `sample` items of its target (0: by sizes)."""
    return each_database(plan, connected, lambda each, database: _estimated(each, database, sample))


def unmet(plan: Plan, connected: Sequence[ConnectedTarget]) -> list[str]:
    """Return, in words, what actions need and do not find. Raises MigrationFileError for what they can never find."""
    sessions = {each.id: each for each in connected}
    databases = [each for each in plan.databases if each.database in sessions]
    found = try_each((each.database, partial(_unmet, sessions[each.database], each)) for each in databases)
    return [
        f"{database.database}:{action.migration.label}: {problems[action.migration.version]}"
        for database, problems in zip(databases, found, strict=True)
        for action in database.actions
        if action.migration.version in problems
    ]


def require_deployed(plan: Plan, connected: Sequence[ConnectedTarget]) -> None:
    """Raise Refused if an action needs what is not deployed, naming every one."""
    if missing := unmet(plan, connected):
        raise Refused(
            "pending migrations need what is not deployed",
            because="\n           ".join(missing),
            try_=Hint(call("deploy", about_all=True)),
        )


def _described(gate: Phase, each: ConnectedTarget, database: DatabasePlan) -> DatabasePlan:
    now = changes(each, gate)
    known = {(one.phase, one.what) for one in now}
    later = changes(each, Phase.CONTRACT) if gate is not Phase.CONTRACT else ()
    deferred = tuple(one for one in later if (one.phase, one.what) not in known)
    problems = _unmet(each, database)
    if each.target.environment.is_sandbox and isinstance(each.session, SupportsDirectSession):
        problems = {}  # what is declared and missing is made first
    return replace(database, changes=now, deferred_changes=deferred, unmet=problems)


def _unmet(each: ConnectedTarget, database: DatabasePlan) -> dict[str, str]:
    migrations = [action.migration for action in database.actions]
    if not migrations or not isinstance(each.session, SupportsDeployedState):
        return {}
    return dict(each.session.unmet(migrations))


def _estimated(each: ConnectedTarget, database: DatabasePlan, sample: int) -> DatabasePlan:
    migrations = [action.migration for action in database.actions]
    if not migrations or not isinstance(each.session, SupportsEstimates):
        return database
    return replace(database, estimates=tuple(each.session.estimate(migrations, sample=sample)))
