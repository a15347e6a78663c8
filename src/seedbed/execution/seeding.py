"""Loading datasets into targets, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath

from seedbed.execution.connecting import ConnectedTarget, on_each, refuse_unstamped
from seedbed.execution.context import RunContext
from seedbed.model.event import SeedLoaded, TargetDone
from seedbed.model.seed import Dataset, Loaded


def load(
    connected: Sequence[ConnectedTarget],
    datasets: Callable[[str], Sequence[Dataset]],
    context: RunContext,
) -> None:
    """Load the datasets of each target. What happens is emitted, a failure as well.

    Raises ForeignTarget before anything is touched if any target is unstamped.
    """
    for target in connected:
        refuse_unstamped(target.target, target.history, "seed")

    def one(target: ConnectedTarget) -> None:
        wanted = [dataset for dataset in datasets(target.id) if dataset.parts]
        if wanted:
            with context.lease(target.session) as lease:
                for dataset in wanted:
                    context.stop.check()
                    # A dataset stays or goes as a whole: it is emitted once it stays.
                    for done in list(lease.load(dataset)):
                        context.emit(_loaded(target.id, dataset, done))
        context.emit(TargetDone(target.id))

    on_each(connected, one, context)


def _loaded(target: str, dataset: Dataset, done: Loaded) -> SeedLoaded:
    part = PurePath(done.part).name
    return SeedLoaded(target, dataset.kind.value, part, done.inserted, done.updated, done.unchanged)
