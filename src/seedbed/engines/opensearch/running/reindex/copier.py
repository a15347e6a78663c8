"""Copy documents from the current index to the next one. Every part may be repeated.

Each document is written with the version that it has in the current index, as an external version: an equal or newer
one stays. A document that was deleted and created again begins at version 1, and would be rejected for ever: where a
version conflicts, the documents of both indexes are compared, and the current index wins. That is safe: everything that
the next index holds was read from the current one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from seedbed.engines.opensearch.files.programs import batch
from seedbed.engines.opensearch.running.reindex import documents, existing, pages
from seedbed.engines.opensearch.running.reindex.job import IndexJob
from seedbed.engines.opensearch.running.reindex.pages import Key, StoredDocument
from seedbed.engines.opensearch.running.reindex.run_aliases import RunAliases
from seedbed.engines.opensearch.running.reindex.transform import DocumentTransform
from seedbed.errors import StepFailed

_TRIES = 5  # at documents whose condition does not hold
_READ = 1000  # documents in a lookup


class CopyProgress(Struct, frozen=True):
    """The progress of a pass. `cursors`: where the next one continues."""

    cursors: Mapping[str, int]
    documents: int


class Copier:
    """Copies documents for one run."""

    def __init__(self, job: IndexJob, run_aliases: RunAliases, transform: DocumentTransform) -> None:
        self.job, self.run_aliases, self.transform = job, run_aliases, transform
        self._page_size = batch(job.migration)
        self.touched: dict[
            Key, str
        ] = {}  # keys written into the next index, each with its shard in the current one

    def passes(self, cursors: Mapping[str, int]) -> Iterator[CopyProgress]:
        """Copy the documents changed after `cursors`, yielding the progress by page; the last has all of it.

        A document counts as copied only up to the operation that all copies of its shard had when the pass began:
        beyond it, an operation may still be missing between two others.
        """
        client, source = self.job.client, self.run_aliases.source
        limits = existing.global_checkpoints(client, source)
        existing.refresh(client, source)
        done, count = dict(cursors), 0
        for shard, end in limits.items():
            after = done.get(shard, -1)
            for page in pages.changed(client, source, shard, after, self._page_size):
                self.copy(page, shard)
                count += len(page)
                done[shard] = max(after, min(end, page[-1].seq_no))
                yield CopyProgress(dict(done), count)
            done[shard] = max(after, end)
        yield CopyProgress(dict(done), count)

    def copy(self, page: Sequence[StoredDocument], shard: str) -> None:
        """Transform and write `page`, of one `shard`. Raises StepFailed naming the document, LeaseLost, Interrupted."""
        wanted = {each.key: (each, self.transform.apply(each)) for each in page}
        operations = [
            documents.copied(each, source) for each, source in wanted.values() if source is not None
        ]
        self.touched.update(dict.fromkeys(wanted, shard))
        unsure = documents.write(self.job, self.run_aliases.writer, operations)
        unsure += [key for key, (_, source) in wanted.items() if source is None]
        self.settle({key: wanted[key][1] for key in unsure}, shard)

    def settle(self, wanted: Mapping[Key, bytes | None], shard: str) -> int:
        """Make the next index hold what is `wanted`, whatever its versions; return how many documents differed.

        `shard`: of the current index, if it has these documents; else "".
        """
        left, changed = dict(wanted), 0
        if shard:
            self.touched.update(dict.fromkeys(wanted, shard))
        for _ in range(_TRIES):
            operations = self._operations(left)
            if not operations:
                return changed
            changed = max(changed, len(operations))
            refused = documents.write(self.job, self.run_aliases.writer, operations)
            left = {key: wanted[key] for key in refused}
            if not left:
                return changed
        raise StepFailed(
            f"{len(left)} documents of {self.run_aliases.target} change while they are written",
            because="another process writes into the next index, which is not in use yet",
            try_="stop that process: it writes to the name of the index, or to a pattern",
        )

    def _operations(self, wanted: Mapping[Key, bytes | None]) -> list[documents.Operation]:
        """Return the operations for those of `wanted` that differ in the next index."""
        keys = list(wanted)
        found: list[StoredDocument | None] = []
        for first in range(0, len(keys), _READ):
            found += documents.read(self.job, self.run_aliases.target, keys[first : first + _READ])
        operations = []
        for key, stored in zip(keys, found, strict=True):
            source = wanted[key]
            if stored is None:
                if source is not None:
                    operations.append(documents.addition(key, source))
            elif source is None:
                operations.append(documents.deletion(stored))
            elif not self.transform.is_same(bytes(stored.source), source):
                operations.append(documents.replacement(stored, source))
        return operations


class Deadline:
    """The time that writers may wait, in seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = time.monotonic()

    @property
    def waited(self) -> float:
        return time.monotonic() - self._began

    def check(self) -> None:
        """Raise DeadlineExceeded if it is over."""
        if self.waited > self.seconds:
            raise DeadlineExceeded(self.waited)


class DeadlineExceeded(Exception):
    """Writers have waited as long as they may: the block is removed, and the last part is tried again."""

    def __init__(self, waited: float) -> None:
        super().__init__(f"{waited:.1f} s")
        self.waited = waited
