"""What servers count of the use of what pending contracts remove. Reads only, and none of what goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from seedbed.engines.base import Engine
from seedbed.engines.usage import SupportsRemovals, SupportsUsage
from seedbed.errors import Interrupted, SeedbedError
from seedbed.execution.connecting import ConnectedTarget
from seedbed.model.migration import Migration, Phase
from seedbed.model.usage import Counter, Removed, Usage

ALL = "what its contracts remove"
EngineOf = Callable[[str], Engine]


def looked_at(
    connected: Sequence[ConnectedTarget], pending: Mapping[str, Sequence[Migration]], engine: EngineOf
) -> tuple[dict[str, Usage], dict[str, SeedbedError]]:
    """Return a look at each database that has `pending` contracts, by its id, and why others gave none."""
    found: dict[str, Usage] = {}
    failed: dict[str, SeedbedError] = {}
    for target in connected:
        contracts = [each for each in pending.get(target.id, ()) if each.phase is Phase.CONTRACT]
        if not contracts:
            continue
        try:
            found[target.id] = _looked_at(target, contracts, engine(target.database.engine))
        except Interrupted:
            raise
        except SeedbedError as error:
            error.target = target.id
            failed[target.id] = error
    return found, failed


def _looked_at(target: ConnectedTarget, contracts: Sequence[Migration], engine: Engine) -> Usage:
    name = target.database.engine
    if not isinstance(engine, SupportsRemovals):
        return Usage((Counter(Removed(ALL, ()), blind=f"migrations of {name} do not tell what they remove"),))
    options = target.database.options
    removed = dict.fromkeys(one for each in contracts for one in engine.removals(each, options))
    if not isinstance(target.session, SupportsUsage):
        return Usage(tuple(Counter(each, blind=f"{name} does not tell what is used") for each in removed))
    return target.session.usage(tuple(removed))
