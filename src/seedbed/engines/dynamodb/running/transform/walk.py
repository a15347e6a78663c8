"""The walk of a transformation over its table: segments side by side, pass after pass."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from msgspec.structs import replace

from seedbed.engines.base import Progress
from seedbed.engines.dynamodb.files.directives import TransformMode
from seedbed.engines.dynamodb.running.transform.checkpoint import SegmentCheckpoint, resumed
from seedbed.engines.dynamodb.running.transform.expressions import version_filter
from seedbed.engines.dynamodb.running.transform.job import TransformJob, found, least
from seedbed.engines.dynamodb.running.transform.metered_table import MeteredTable, ScanPage
from seedbed.engines.dynamodb.running.transform.outcome import ItemTransformer
from seedbed.engines.dynamodb.running.transform.paging import Pager
from seedbed.engines.dynamodb.running.transform.values import Item
from seedbed.engines.dynamodb.running.transform.writing import Action, ItemWriter, KnownNames, WriteCounts
from seedbed.engines.dynamodb.wire.capacity import CapacityBudget
from seedbed.errors import Interrupted, LeaseLost, StepFailed
from seedbed.model.event import WorkProgressed

_WRITERS = 16  # writes under way at the same time
_QUIET = 1.0  # seconds between two checkpoints of pages on which there was nothing to do
_LOOK = 0.1  # seconds between two looks for events


class _Stopped(Exception):
    """Another segment failed: this one ends."""


class TableWalk:
    """One run of a transformation. `items` and `size` (bytes): of the table, as far as the server knows."""

    def __init__(self, job: TransformJob, *, items: int, size: float) -> None:
        self._job = job
        self._total = items
        self._stop = threading.Event()
        self._events: queue.SimpleQueue[Progress] = queue.SimpleQueue()
        settings, options = job.migration.settings, job.options
        self._access = MeteredTable(
            job.client,
            job.table,
            reads=CapacityBudget(least(settings.get("read_units"), options.read_units), sleep=self._sleep),
            writes=CapacityBudget(least(settings.get("write_units"), options.write_units), sleep=self._sleep),
            check=job.lease.check,
            item_size=size / items if items else 0.0,
        )
        self._names = KnownNames(job.shape)
        self._transformer = ItemTransformer(job.migration, job.direction, job.step, job.shape)
        self._writer = ItemWriter(self._access, self._transformer, job.shape, self._names)
        self._pager = Pager(self._access, self._transformer, self._writer)
        self._version = job.migration.version
        asked = int(least(settings.get("segments"), options.segments)) or 1
        self._checkpoints = resumed(job.lease.checkpoints(self._version), asked)
        self._recorded = [0.0] * len(self._checkpoints)  # when each segment's checkpoint was last written
        self._began = time.monotonic()
        self._scanned_before = self._scanned

    def events(self) -> Iterator[Progress]:
        """Carry out what is left, telling how far it is. Raises what the first segment that failed raised."""
        with (
            ThreadPoolExecutor(len(self._checkpoints), "segment") as segments,
            ThreadPoolExecutor(_WRITERS, "write") as writers,
        ):
            try:
                while True:
                    numbers = range(len(self._checkpoints))
                    passes = [segments.submit(self._pass, number, writers) for number in numbers]
                    yield from self._until_done(passes)
                    if self._is_over():
                        return
                    self._next_pass()
            finally:
                self._stop.set()

    def _is_over(self) -> bool:
        """Return whether nothing is left: a pass found nothing, or one was all there had to be."""
        if self._transformer.mode is TransformMode.PAGED:
            return True
        return not sum(each.found for each in self._checkpoints)

    def _next_pass(self) -> None:
        self._checkpoints = [each.next_pass() for each in self._checkpoints]
        self._began, self._scanned_before = time.monotonic(), 0

    def _until_done(self, passes: Sequence[Future[None]]) -> Iterator[Progress]:
        """Yield events until all segments are through their pass; raise what went wrong in the first."""
        while not all(each.done() for each in passes):
            yield from self._news(_LOOK)
        yield from self._news(0.0)
        errors = [error for each in passes if (error := each.exception())]
        for kind in (LeaseLost, StepFailed, Interrupted, Exception):
            for error in errors:
                if isinstance(error, kind) and not isinstance(error, _Stopped):
                    raise error

    def _news(self, patience: float) -> Iterator[Progress]:
        try:
            yield self._events.get(timeout=patience) if patience else self._events.get_nowait()
            while True:
                yield self._events.get_nowait()
        except queue.Empty:
            return

    # one segment

    def _pass(self, number: int, writers: ThreadPoolExecutor) -> None:
        try:
            while not self._checkpoints[number].is_over:
                self._require_not_stopped()
                self._settle(number, self._scan(number), writers)
        except BaseException:
            self._stop.set()
            raise

    def _scan(self, number: int) -> ScanPage:
        job, versions = self._job, self._transformer.versions
        assert job.step.backfill is not None
        limit, standing = job.step.backfill.batch, self._checkpoints[number]
        page = found(
            job,
            lambda: self._access.scan(
                number,
                standing.segments,
                start=standing.key,
                limit=limit,
                only=version_filter(versions.attribute, versions.before) if versions else None,
            ),
        )
        self._names.see(page.items)
        return page

    def _settle(self, number: int, page: ScanPage, writers: ThreadPoolExecutor) -> None:
        """Bring a page's items to their new form, and record that; the segment's standing moves behind them."""
        if self._transformer.mode is TransformMode.PAGED:
            self._settle_together(number, page)
        else:
            self._settle_each(number, page, writers)
        self._tell()

    def _settle_each(self, number: int, page: ScanPage, writers: ThreadPoolExecutor) -> None:
        done = WriteCounts()
        for each in [writers.submit(self._one, item) for item in page.items]:
            done += each.result()
        standing = _moved(self._checkpoints[number], page.last, page.scanned, done)
        self._record(number, replace(standing, is_over=page.last is None), has_news=done.found > 0)

    def _one(self, item: Item) -> WriteCounts:
        self._require_not_stopped()
        return self._writer.settle(item)

    def _settle_together(self, number: int, page: ScanPage) -> None:
        def commit(
            key: Item, done: WriteCounts, items: int, actions: list[Action]
        ) -> Mapping[str, Any] | None:
            standing = _moved(self._checkpoints[number], key, items, done)
            return self._record(number, standing, actions, has_news=bool(actions))

        self._pager.settle(page.items, commit)
        standing = self._checkpoints[number]
        if page.last is None:
            self._record(number, replace(standing, is_over=True), has_news=True)
        elif standing.key != page.last:
            self._record(number, replace(standing, key=page.last), has_news=False)

    def _record(
        self, number: int, standing: SegmentCheckpoint, actions: Sequence[Action] = (), *, has_news: bool
    ) -> Mapping[str, Any] | None:
        """Move a segment's standing, and write it down where something happened or it was long ago."""
        answer = None
        if has_news or standing.is_over or time.monotonic() - self._recorded[number] > _QUIET:
            text = standing.to_text()
            answer = self._job.lease.checkpoint(self._version, number, text, [*map(dict, actions)])
            self._recorded[number] = time.monotonic()
        self._checkpoints[number] = standing
        return answer

    def _require_not_stopped(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    def _sleep(self, seconds: float) -> None:
        self._require_not_stopped()
        self._job.client.sleep(seconds)

    # progress

    @property
    def _scanned(self) -> int:
        return sum(each.scanned for each in self._checkpoints)

    def _tell(self) -> None:
        done = self._scanned
        total = self._total if done <= self._total else 0  # the server counts every six hours
        self._events.put(
            WorkProgressed(self._job.target, self._version, done, total, "items", self._summary(done, total))
        )

    def _summary(self, done: int, total: int) -> str:
        """Return pass, rate and time left: `pass 1, 1,200/s, 0:42 left`."""
        seconds = max(time.monotonic() - self._began, 1e-3)
        rate = (done - self._scanned_before) / seconds
        changed = sum(each.changed + each.deleted for each in self._checkpoints)
        parts = [f"pass {self._checkpoints[0].pass_}", f"{changed:,} changed", f"{rate:,.0f}/s"]
        if total and rate > 0:
            left = round((total - done) / rate)
            parts.append(f"{left // 60}:{left % 60:02d} left")
        return ", ".join(parts)


def _moved(
    standing: SegmentCheckpoint, key: Mapping[str, Any] | None, items: int, done: WriteCounts
) -> SegmentCheckpoint:
    return replace(
        standing,
        key=key,
        scanned=standing.scanned + items,
        found=standing.found + done.found,
        changed=standing.changed + done.changed,
        deleted=standing.deleted + done.deleted,
        made=standing.made + done.made,
    )
