"""Schemas that are infrastructure, made in the sandbox as they are declared: no stack has to hold them there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from seedbed.engines.infrastructure import SupportsDirectDeployment, SupportsDirectSession
from seedbed.errors import Hint, Refused, SeedbedError, call, try_each
from seedbed.execution import infrastructure
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext
from seedbed.execution.threads import side_by_side
from seedbed.model.event import TargetSkipped
from seedbed.model.migration import Phase


def is_direct(target: ConnectedTarget) -> bool:
    """Return whether an apply makes what `target` declares: in the sandbox. Elsewhere a deployment does."""
    return target.target.environment.is_sandbox and isinstance(target.session, SupportsDirectSession)


def deploy(connected: Sequence[ConnectedTarget], gate: Phase, context: RunContext) -> bool:
    """Make what is declared through `gate` wherever `is_direct`; return whether all went well.

    What happens is emitted, a failure as well; then the other targets are skipped. Raises Refused for what can never
    be changed so: then nothing was touched.
    """
    targets = [each for each in connected if is_direct(each)]
    try_each((each.id, partial(_require_possible, each, gate)) for each in targets)
    results = side_by_side([partial(_deploy, each, gate, context) for each in targets])
    failed: dict[str, SeedbedError] = {}
    for each, error in zip(targets, results, strict=True):
        if isinstance(error, SeedbedError):
            failed[each.id] = error
        elif isinstance(error, BaseException):
            raise error
    for each in connected if failed else ():
        if each.id in failed:
            context.fail(each.id, failed[each.id])
        else:
            context.emit(TargetSkipped(each.id, f"{', '.join(failed)} could not be deployed"))
    return not failed


def _require_possible(target: ConnectedTarget, gate: Phase) -> None:
    refused = [each for each in infrastructure.changes(target, gate) if each.refused]
    if refused:
        raise Refused(
            f"{target.id} cannot become what is declared: {refused[0].what}",
            because="; ".join(each.refused for each in refused),
            try_=Hint(refused[0].try_, "; or empty it, then it is made anew: ", call("reset", "--yes")),
        )


def _deploy(target: ConnectedTarget, gate: Phase, context: RunContext) -> None:
    session = target.session
    assert isinstance(session, SupportsDirectSession)
    with context.stop.watching(session):
        session.create_history()
        if not infrastructure.changes(target, gate):
            return
        with context.lease(target.id, session) as lease:
            assert isinstance(lease, SupportsDirectDeployment)
            for event in lease.deploy_directly(gate):
                context.emit(event)
