"""Applying and seeding in one go: what an environment that comes up is filled with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from seedbed.errors import SeedbedError
from seedbed.execution.connecting import ConnectedTarget, read_histories
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.outcome import Outcome, Result
from seedbed.model.seed import SeedKind
from seedbed.project.neighbours import Neighbours
from seedbed.project.request import Request
from seedbed.project.run import Run

_WELL = frozenset({Result.CHANGED, Result.UNCHANGED})


def usual_kinds(environment: Environment) -> tuple[SeedKind, ...]:
    """Return the kinds of seeds that are loaded where none is named."""
    if is_ephemeral(environment):
        return SeedKind.REFERENCE, SeedKind.FIXTURE
    return (SeedKind.REFERENCE,)


def fill(run: Run, kinds: Sequence[SeedKind], request: Request | None = None) -> Outcome:
    """Apply what is pending, then load the datasets of each target on which that ended well; return both as one.

    A target that failed is not seeded and keeps its error; the others are. Raises what `Run.apply` raises: then nothing
    was touched. What is wrong with seeds ends their targets, as an event.
    """
    applied = run.apply(request)
    well = {each.target for each in applied.targets if each.result in _WELL}
    targets = [each for each in run.connected if each.id in well]
    if targets:
        _seed(run, targets, kinds, request)
    return run.outcome


def _seed(
    run: Run, targets: Sequence[ConnectedTarget], kinds: Sequence[SeedKind], request: Request | None
) -> None:
    try:
        read_histories(targets)  # an apply binds what was not bound
        with ExitStack() as closing:
            context = run.context
            beside = Neighbours(run.targets, run.environment, closing, context.stop, context.tell)
            Run(run.targets, run.environment, targets, {}, context, beside).seed(kinds, request)
    except SeedbedError as error:
        for each in error.errors:
            for target in targets:
                if each.target in {"", target.id}:
                    run.context.fail(target.id, each)
