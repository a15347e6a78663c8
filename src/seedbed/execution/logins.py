"""What plans and runs need to know about the logins of databases. Reads only: a lease makes what is lacking."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from seedbed.engines.capabilities import SupportsLogins
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.looking import each_database
from seedbed.execution.threads import returned, side_by_side
from seedbed.model.plan import DatabasePlan, Plan


def changes(each: ConnectedTarget) -> tuple[str, ...]:
    """Return what an apply would make, grant or set of the logins of one database, as text."""
    return tuple(each.session.login_changes()) if isinstance(each.session, SupportsLogins) else ()


def pending(connected: Sequence[ConnectedTarget]) -> dict[str, tuple[str, ...]]:
    """Return `changes` by database; raises the errors of all that fail."""
    ids = [each.id for each in connected]
    found = side_by_side([partial(changes, each) for each in connected])
    return dict(zip(ids, returned(ids, found), strict=True))


def described(plan: Plan, connected: Sequence[ConnectedTarget]) -> Plan:
    """Return `plan` with what an apply does about logins before anything else."""
    return each_database(plan, connected, _described)


def _described(each: ConnectedTarget, database: DatabasePlan) -> DatabasePlan:
    return replace(database, logins=changes(each))
