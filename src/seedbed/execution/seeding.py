"""Loading datasets into targets, side by side.

Every file is read twice: once before anything is touched, so that a row that is wrong is found while nothing has
happened yet, and once to load it. Both times one batch is in memory, however large the file is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import PurePath
from types import MappingProxyType

from seedbed.engines.base import Lease
from seedbed.engines.capabilities import SupportsBulkLoad
from seedbed.errors import Interrupted, SeedbedError, SeedFileError, SeveralErrors, collected, try_each
from seedbed.execution.connecting import ConnectedTarget, on_each, require_bound
from seedbed.execution.context import RunContext
from seedbed.execution.stopping import Stop
from seedbed.model.event import Listener, SeedLoaded, SeedProgressed, TargetDone
from seedbed.model.history import History
from seedbed.model.platform import Database
from seedbed.model.seed import (
    Dataset,
    Loaded,
    Loading,
    OnLoading,
    RowSource,
    Script,
    SeedKind,
    ignore_loading,
)

OpenDataset = Callable[[Database, SeedKind], Dataset]
CheckScript = Callable[[Database, SeedKind, Script], object]
RequireReviewed = Callable[[str, History], None]  # by the id of a target

_READ = 1_000  # rows that are read at once to be checked
_EVERY = 1.0  # seconds between two events about how far a part is


def load(
    connected: Sequence[ConnectedTarget],
    kinds: Sequence[SeedKind],
    open_dataset: OpenDataset,
    context: RunContext,
    check_script: CheckScript | None = None,
    require_reviewed: RequireReviewed | None = None,
) -> None:
    """Load the datasets of each target, in the order of `kinds`. What happens is emitted, a failure as well.

    `require_reviewed`: raises Refused, StalePlan for a history under the lease that seeds were not reviewed for.
    `check_script`: raises SeedFileError for what has no place in a script. Raises ForeignTarget for targets that have
    seeds and are not bound, SeedFileError for all files with a row or a statement that is wrong, StalePlan for one that
    is not as reviewed, Interrupted: then nothing was touched.
    """
    unbound = [each for each in connected if each.history.identity is None]
    require_bound([each for each in unbound if _has_seeds(each, kinds, open_dataset)], "seed")
    counts = _check_all(connected, kinds, open_dataset, context, check_script)

    def one(target: ConnectedTarget) -> None:
        wanted = [kind for kind in kinds if counts[target.id, kind]]
        if wanted:
            with context.lease(target.id, target.session) as lease:
                if require_reviewed:
                    require_reviewed(target.id, lease.history())
                for kind in wanted:
                    context.stop.check()
                    progress = _Progress(target.id, kind, "load", context.emit, counts[target.id, kind])
                    with _saying_what_stays(lease, wanted[: wanted.index(kind)]):
                        _load(lease, open_dataset(target.database, kind), progress)
        context.emit(TargetDone(target.id))

    on_each(connected, one, context)


@contextmanager
def _saying_what_stays(lease: Lease, before: Sequence[SeedKind]) -> Iterator[None]:
    """Let an error inside say that what was loaded `before`, as datasets of their own, is not taken back with it."""
    stays = bool(before) and lease.is_touched
    try:
        yield
    except SeedbedError as error:
        if stays:
            names = " and ".join(kind.value for kind in before)
            first = error.errors[0]
            first.because += f"{'; ' if first.because else ''}what {names} loaded before it stays"
        raise


def _has_seeds(target: ConnectedTarget, kinds: Sequence[SeedKind], open_dataset: OpenDataset) -> bool:
    """Return whether anything is to be loaded into `target`; what cannot be opened is reported by its check."""
    try:
        return any(open_dataset(target.database, kind).parts for kind in kinds)
    except (SeedFileError, SeveralErrors):
        return False


def check_parts(
    dataset: Dataset,
    stop: Stop,
    on_loading: OnLoading = ignore_loading,
    check_script: Callable[[Script], object] | None = None,
) -> Mapping[str, int]:
    """Return how many rows each part of `dataset` has, by its path: 0 for a script. Every row is read.

    Raises SeedFileError for all parts with something that is wrong, Interrupted.
    """

    def rows_of(part: RowSource | Script) -> tuple[str, int]:
        if isinstance(part, Script):
            if check_script:
                check_script(part)
            return part.path, 0
        done = 0
        for batch in part.batches(_READ):
            stop.check()
            done += len(batch.rows)
            on_loading(Loading(part.path, done))
        return part.path, done

    def calls() -> Iterator[Callable[[], tuple[str, int]]]:
        for part in dataset.parts:
            stop.check()
            yield partial(rows_of, part)

    return dict(collected(calls()))


def _check_all(
    connected: Sequence[ConnectedTarget],
    kinds: Sequence[SeedKind],
    open_dataset: OpenDataset,
    context: RunContext,
    check_script: CheckScript | None,
) -> Mapping[tuple[str, SeedKind], Mapping[str, int]]:
    """Check every dataset once; return what `check_parts` says of it. Raises what is wrong with any of them."""
    pairs = [(target, kind) for target in connected for kind in kinds]

    def read(target: ConnectedTarget, kind: SeedKind) -> Mapping[str, int]:
        progress = _Progress(target.id, kind, "check", context.emit)
        check = partial(check_script, target.database, kind) if check_script else None
        return check_parts(open_dataset(target.database, kind), context.stop, progress.loading, check)

    def calls() -> Iterator[tuple[str, Callable[[], Mapping[str, int]]]]:
        for target, kind in pairs:
            context.stop.check()
            yield target.id, partial(read, target, kind)

    try:
        counts = try_each(calls())
    except Interrupted as error:
        raise context.stop.mark(error) from None
    return {(target.id, kind): count for (target, kind), count in zip(pairs, counts, strict=True)}


def _load(lease: Lease, dataset: Dataset, progress: _Progress) -> None:
    load = lease.load
    if dataset.kind is SeedKind.VOLUME and isinstance(lease, SupportsBulkLoad):
        load = lease.bulk_load
    try:
        for loaded in load(dataset, progress.loading):
            progress.loaded(loaded)
    except SeedbedError:
        progress.flush_changes()
        raise


class _Progress:
    """Emits how far a dataset is checked or loaded: the first change at once, then now and then.

    `counts`: how many rows its parts have, by path, where that is known.
    """

    def __init__(
        self,
        target: str,
        kind: SeedKind,
        verb: str,
        emit: Listener,
        counts: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._target = target
        self._kind = kind
        self._verb = verb
        self._emit = emit
        self._counts = counts
        self._waiting: Loading | None = None  # what was not emitted yet
        self._has_changed = False
        self._emitted_at = time.monotonic()

    def loading(self, loading: Loading) -> None:
        self._waiting = loading
        is_first_change = bool(loading.changed) and not self._has_changed
        if is_first_change or time.monotonic() - self._emitted_at >= _EVERY:
            self.flush()

    def flush(self) -> None:
        """Emit what is waiting."""
        if (waiting := self._waiting) is None:
            return
        self._waiting, self._emitted_at = None, time.monotonic()
        self._has_changed = self._has_changed or bool(waiting.changed)
        numbers = (waiting.done, self._counts.get(waiting.part, 0), waiting.changed)
        part = PurePath(waiting.part).name
        self._emit(SeedProgressed(self._target, self._kind.value, part, self._verb, *numbers))

    def flush_changes(self) -> None:
        """Emit what is waiting if any of it stays: a failure is no place for a bar at 100 %."""
        if self._waiting is not None and self._waiting.changed:
            self.flush()

    def loaded(self, loaded: Loaded) -> None:
        """Emit that a part is loaded, and stays."""
        self._waiting = None
        part, counts = PurePath(loaded.part).name, (loaded.inserted, loaded.updated, loaded.unchanged)
        self._emit(SeedLoaded(self._target, self._kind.value, part, *counts))
