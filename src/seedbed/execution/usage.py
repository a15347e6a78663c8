"""What servers count of the use of what pending contracts remove. Reads only, and none of what goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from seedbed.engines.base import Engine
from seedbed.engines.usage import SupportsDeployedRemovals, SupportsRemovals, SupportsUsage
from seedbed.errors import Interrupted, SeedbedError
from seedbed.execution.connecting import ConnectedTarget
from seedbed.model.migration import Migration, Phase
from seedbed.model.usage import Counter, Removed, Usage

ALL = "what its contracts remove"
EngineOf = Callable[[str], Engine]


def looked_at(
    connected: Sequence[ConnectedTarget], pending: Mapping[str, Sequence[Migration]], engine: EngineOf
) -> tuple[dict[str, Usage], dict[str, SeedbedError]]:
    """Return a look at each database that a contract changes, by its id, and why others gave none."""
    found: dict[str, Usage] = {}
    failed: dict[str, SeedbedError] = {}
    for target in connected:
        contracts = [each for each in pending.get(target.id, ()) if each.phase is Phase.CONTRACT]
        try:
            deployed = _deployed(target)
            if contracts or deployed:
                found[target.id] = _looked_at(target, contracts, deployed, engine(target.database.engine))
        except Interrupted:
            raise
        except SeedbedError as error:
            error.target = target.id
            failed[target.id] = error
    return found, failed


def _deployed(target: ConnectedTarget) -> Sequence[Removed]:
    session = target.session
    return session.deployed_removals() if isinstance(session, SupportsDeployedRemovals) else ()


def _looked_at(
    target: ConnectedTarget, contracts: Sequence[Migration], deployed: Sequence[Removed], engine: Engine
) -> Usage:
    name = target.database.engine
    removed = dict.fromkeys(deployed)
    unnamed: tuple[Counter, ...] = ()
    if isinstance(engine, SupportsRemovals):
        removed |= dict.fromkeys(one for each in contracts for one in engine.removals(each, target.database))
    elif contracts:
        blind = f"migrations of {name} do not tell what they remove"
        unnamed = (Counter(Removed(ALL, ()), blind=blind),)
    if not isinstance(target.session, SupportsUsage):
        blind = f"{name} does not tell what is used"
        return Usage((*(Counter(each, blind=blind) for each in removed), *unnamed))
    found = target.session.usage(tuple(removed))
    return replace(found, counters=(*found.counters, *unnamed)) if unnamed else found
