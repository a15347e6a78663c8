"""What `verify` kept, and what waits for it: from files and histories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from seedbed.engines.verification import SupportsVerified
from seedbed.errors import Hint, SeedbedError, StepFailed, call
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.threads import returned, side_by_side
from seedbed.model.environment import Environment
from seedbed.model.history import History
from seedbed.model.migration import Phase
from seedbed.model.plan import Plan
from seedbed.model.platform import Expectation, Reference
from seedbed.model.verified import ClaimHistory, Verified, claim, touched
from seedbed.planning.pending import order
from seedbed.planning.verified import Gate, contracts, pending_at_migrate
from seedbed.planning.verified import gated as gated_by
from seedbed.planning.verified_history import claim_history
from seedbed.project.catalog import Catalog
from seedbed.support.phrases import count


def pending(catalog: Catalog, connected: Sequence[ConnectedTarget]) -> dict[str, tuple[str, ...]]:
    """Return, by database, the versions that wait there at the gate `migrate`."""
    return {
        each.id: pending_at_migrate(
            catalog.files(each.database), each.history, partial(catalog.phase, each.database)
        )
        for each in connected
    }


def say_pending(
    errors: Iterable[SeedbedError | None],
    environment: Environment,
    catalog: Catalog,
    connected: Sequence[ConnectedTarget],
) -> None:
    """Say of what could not be read what is pending in its database: that may make what is missing.

    Where a contract is the next, and waits for just this `verify`, only an expand that may pass it can make that.
    """
    targets = {each.id: each for each in connected}
    for error in {id(each): each for each in errors if isinstance(each, StepFailed)}.values():
        target = targets.get(error.target)
        if target is None:
            continue
        applied = {order(each.version) for each in target.history.applied}
        waiting = [each for each in catalog.files(target.database) if order(each.version) not in applied]
        if not waiting:
            continue
        are = "is" if len(waiting) == 1 else "are"
        told = f"{count(len(waiting), 'migration')} {are} pending in {target.id}"
        hint = Hint(call("apply", about=target.id))
        first = waiting[0]
        if environment.protected and catalog.phase(target.database, first) == Phase.CONTRACT:
            told += f", and the next of them, the contract {first.version}, waits for verify"
            hint = Hint(f"say overtake={first.version} in the expands behind it that make what is missing")
        error.because = "; ".join(filter(None, (error.because, told)))
        error.try_ = Hint(hint, f", or {error.try_}" if error.try_ else "")


def gated(
    plan: Plan,
    environment: Environment,
    catalog: Catalog,
    connected: Sequence[ConnectedTarget],
    histories: Mapping[str, History],
) -> Plan:
    """Return `plan` with what its contracts wait for; where the environment is not protected, they wait for nothing.

    What the databases keep is read where a contract is about to run, and nowhere else. `histories`: of all that a
    contract may come after.
    """
    wait = [each.database for each in plan.databases if contracts(each)]
    if not environment.protected or not wait:
        return plan
    declared: list[Reference | Expectation] = [*catalog.references(), *catalog.expectations()]
    claims = {each: [claim(one) for one in declared if each in touched(one)] for each in wait}
    asked = [each for each in connected if claims.get(each.id)]  # what did not answer runs nothing
    if not asked:
        return plan
    ids = [each.id for each in asked]
    kept = dict(zip(ids, returned(ids, side_by_side([partial(_kept, each) for each in asked])), strict=True))
    return gated_by(
        plan, Gate({each: claims[each] for each in ids}, kept, histories, environment.verify_max_age)
    )


def _kept(target: ConnectedTarget) -> Verified:
    return target.session.verified() if isinstance(target.session, SupportsVerified) else Verified()


def histories(
    declared: Sequence[Reference | Expectation],
    connected: Sequence[ConnectedTarget],
    failed: Mapping[str, SeedbedError],
) -> tuple[tuple[ClaimHistory, ...], dict[str, SeedbedError]]:
    """Return the verdicts on each of `declared` from run to run, and by database why it could not be asked."""
    kept: dict[str, Verified] = {}
    unread = dict(failed)
    for target, found in zip(
        connected, side_by_side([partial(_kept, each) for each in connected]), strict=True
    ):
        if isinstance(found, SeedbedError):
            found.target = target.id
            unread[target.id] = found
        elif isinstance(found, BaseException):
            raise found
        else:
            kept[target.id] = found
    return claim_history(declared, kept), unread
