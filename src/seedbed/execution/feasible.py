"""Whether targets are where a plan sets out from, beyond what their histories say. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from seedbed.engines.capabilities import SupportsFeasibility
from seedbed.errors import try_each
from seedbed.execution.connecting import ConnectedTarget
from seedbed.model.plan import Plan


def require_feasible(plan: Plan, connected: Sequence[ConnectedTarget]) -> None:
    """Raise Refused for what `plan` does not find on its targets, all of it at once."""
    works = {each.database: each.works for each in plan.databases}
    try_each(
        (each.id, partial(each.session.require_feasible, works[each.id]))
        for each in connected
        if works.get(each.id) and isinstance(each.session, SupportsFeasibility)
    )
