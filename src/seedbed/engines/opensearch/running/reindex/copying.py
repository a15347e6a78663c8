"""Documents on their way from the present index to the next one, so that any of it may be done again.

Each is written with the version that it has in the present index, as an external one: what is there already, or
newer, stays. A document that was deleted and made again begins at version 1, and would stay out for ever: wherever a
version does not hold, what both indexes have is compared, and the present one is right. It can only be: all that the
next index holds was read from the present one before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from seedbed.engines.opensearch.files.programs import batch
from seedbed.engines.opensearch.running.reindex import live, pages, writing
from seedbed.engines.opensearch.running.reindex.documents import Becoming
from seedbed.engines.opensearch.running.reindex.job import Job
from seedbed.engines.opensearch.running.reindex.pages import Key, Stored
from seedbed.engines.opensearch.running.reindex.passage import Passage
from seedbed.errors import StepFailed

_TRIES = 5  # for one document whose condition does not hold
_READ = 1000  # documents that are looked up at once


class Copied(Struct, frozen=True):
    """How far a pass is. `cursors`: what the next one goes on from."""

    cursors: Mapping[str, int]
    documents: int


class Copying:
    """Copies documents for one run."""

    def __init__(self, job: Job, passage: Passage, becoming: Becoming) -> None:
        self.job, self.passage, self.becoming = job, passage, becoming
        self._most = batch(job.migration)
        self.touched: dict[Key, str] = {}  # what was written into the next index, and its shard in this one

    def passes(self, cursors: Mapping[str, int]) -> Iterator[Copied]:
        """Copy what was changed after `cursors`, telling page by page how far that is; the last has all of it.

        A document counts as dealt with only up to the operation that all copies of its shard had done when the pass
        began: beyond it, an operation may still be missing between two others.
        """
        client, source = self.job.client, self.passage.source
        reached = live.reached(client, source)
        live.refresh(client, source)
        found, count = dict(cursors), 0
        for shard, end in reached.items():
            after = found.get(shard, -1)
            for page in pages.changed(client, source, shard, after, self._most):
                self.copy(page, shard)
                count += len(page)
                found[shard] = max(after, min(end, page[-1].seq_no))
                yield Copied(dict(found), count)
            found[shard] = max(after, end)
        yield Copied(dict(found), count)

    def copy(self, page: Sequence[Stored], shard: str) -> None:
        """Write what `page`, of one `shard`, becomes. Raises StepFailed naming the document, LeaseLost, Interrupted."""
        wanted = {each.key: (each, self.becoming.of(each)) for each in page}
        operations = [
            writing.as_of_source(each, source) for each, source in wanted.values() if source is not None
        ]
        self.touched.update(dict.fromkeys(wanted, shard))
        doubtful = writing.write(self.job, self.passage.writer, operations)
        doubtful += [key for key, (_, source) in wanted.items() if source is None]
        self.settle({key: wanted[key][1] for key in doubtful}, shard)

    def settle(self, wanted: Mapping[Key, bytes | None], shard: str) -> int:
        """Make the next index hold what is `wanted`, whatever its versions say; return how many were not as wanted.

        `shard`: of the present index, which has them; "" where it has not.
        """
        left, changed = dict(wanted), 0
        if shard:
            self.touched.update(dict.fromkeys(wanted, shard))
        for _ in range(_TRIES):
            operations = self._operations(left)
            if not operations:
                return changed
            changed = max(changed, len(operations))
            refused = writing.write(self.job, self.passage.writer, operations)
            left = {key: wanted[key] for key in refused}
            if not left:
                return changed
        raise StepFailed(
            f"{len(left)} documents of {self.passage.target} change while they are written",
            because="another process writes into an index that nobody may know yet",
            try_="find it: it writes by the name of the index, or by a pattern",
        )

    def _operations(self, wanted: Mapping[Key, bytes | None]) -> list[writing.Operation]:
        """Return what is to be done for those of `wanted` that the next index does not hold as it should."""
        keys = list(wanted)
        found: list[Stored | None] = []
        for first in range(0, len(keys), _READ):
            found += writing.read(self.job, self.passage.target, keys[first : first + _READ])
        operations = []
        for key, there in zip(keys, found, strict=True):
            source = wanted[key]
            if there is None:
                if source is not None:
                    operations.append(writing.new(key, source))
            elif source is None:
                operations.append(writing.gone(there))
            elif not self.becoming.is_same(bytes(there.source), source):
                operations.append(writing.in_place_of(there, source))
        return operations


class Deadline:
    """How long writers may wait, in seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = time.monotonic()

    @property
    def waited(self) -> float:
        return time.monotonic() - self._began

    def check(self) -> None:
        """Raise TooLong when it is over."""
        if self.waited > self.seconds:
            raise TooLong(self.waited)


class TooLong(Exception):
    """Writers have waited for as long as they may; the block is lifted, and everything tried again."""

    def __init__(self, waited: float) -> None:
        super().__init__(f"{waited:.1f} s")
        self.waited = waited
