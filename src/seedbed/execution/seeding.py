"""Loading datasets into targets, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath

from seedbed.execution.applying import Leasing
from seedbed.execution.connecting import Connected, on_each, refuse_unstamped
from seedbed.execution.stopping import Stop
from seedbed.model.event import Listener, SeedLoaded, TargetDone
from seedbed.model.seed import Dataset, Loaded


def load(
    reached: Sequence[Connected],
    datasets: Callable[[str], Sequence[Dataset]],
    leasing: Leasing,
    listener: Listener,
    stop: Stop,
) -> None:
    """Load the datasets of each target. What happens is told to `listener`, a failure as well.

    Raises ForeignTarget before anything is touched if any target is unstamped.
    """
    for each in reached:
        refuse_unstamped(each.target, each.history, "seed")

    def one(each: Connected) -> None:
        wanted = [dataset for dataset in datasets(each.id) if dataset.parts]
        if wanted:
            with each.session.lease(leasing.owner, wait=leasing.wait, listener=listener) as lease:
                for dataset in wanted:
                    stop.check()
                    # A dataset stays or goes as a whole: it is told once it stays.
                    for done in list(lease.load(dataset)):
                        listener(_loaded(each.id, dataset, done))
        listener(TargetDone(each.id))

    on_each(reached, one, listener, stop)


def _loaded(target: str, dataset: Dataset, done: Loaded) -> SeedLoaded:
    part = PurePath(done.part).name
    return SeedLoaded(target, dataset.kind.value, part, done.inserted, done.updated, done.unchanged)
