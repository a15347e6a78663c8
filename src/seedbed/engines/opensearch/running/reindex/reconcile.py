"""Compare the two indexes of a reindex, every `_id` and its document, and repair the next one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from seedbed.engines.opensearch.running.reindex import documents, existing, pages
from seedbed.engines.opensearch.running.reindex.copier import Copier, Deadline
from seedbed.engines.opensearch.running.reindex.pages import Key, StoredDocument
from seedbed.engines.opensearch.running.reindex.seq_nos import KnownDocuments, changed_since
from seedbed.errors import StepFailed

_NAMED = 5
_LOOKED_UP = 5000  # documents of which only numbers are asked for


class Reconciler:
    """Compares the two indexes of one run, and rewrites what differs."""

    def __init__(self, copier: Copier) -> None:
        self._copying = copier
        self._job, self._passage = copier.job, copier.run_aliases
        self._becoming = copier.transform
        self.repaired = 0
        self.deleted = 0

    def compare(self, cursors: Mapping[str, int]) -> Iterator[int]:
        """Compare documents changed after `cursors` and rewrite those that differ; yield how many, by page.

        Raises StepFailed.
        """
        client, source = self._job.client, self._passage.source
        count = 0
        existing.refresh(client, source)
        for shard in existing.global_checkpoints(client, source):
            for page in pages.changed(client, source, shard, cursors.get(shard, -1), pages.IDS):
                self._page(page, shard)
                count += len(page)
                yield count

    def copy_last(
        self,
        shards: Iterable[str],
        copied: Mapping[str, int],
        compared: Mapping[str, int],
        deadline: Deadline,
    ) -> None:
        """Copy what changed after `copied` and compare what changed after `compared`, while writes are blocked.

        Nothing may differ after that. Raises StepFailed, DeadlineExceeded.
        """
        client, source = self._job.client, self._passage.source
        existing.refresh(client, source)
        for shard in shards:
            since, done = copied.get(shard, -1), compared.get(shard, -1)
            for page in pages.changed(client, source, shard, min(since, done), pages.IDS, is_still=True):
                deadline.check()
                self._copying.copy([each for each in page if each.seq_no > since], shard)
                self._page([each for each in page if each.seq_no > done], shard, must_hold=True)

    def _page(self, page: Sequence[StoredDocument], shard: str, *, must_hold: bool = False) -> None:
        wanted = self._to_compare(page)
        changed = self._copying.settle(wanted, shard)
        self.repaired += changed
        if changed and must_hold and not self._becoming.has_code and self._copying.settle(wanted, shard):
            some = ", ".join(repr(key[0]) for key in list(wanted)[:_NAMED])
            raise StepFailed(
                f"{self._passage.target} does not hold what is written into it",
                because=f"documents are stored differently, {some} among them",
                try_="look for what changes documents: a pipeline set by a template, another writer",
            )

    def _to_compare(self, page: Sequence[StoredDocument]) -> dict[Key, bytes | None]:
        """Return the documents of `page`, transformed, without those that are known to be equal.

        Code may be slow and need not be deterministic: if it made a document, the version proves from which one.
        Documents whose versions differ are transformed again.
        """
        if not self._becoming.has_code:
            return {each.key: self._becoming.apply(each) for each in page}
        found = documents.read(self._job, self._passage.target, [each.key for each in page], sources=False)
        return {
            each.key: self._becoming.apply(each)
            for each, there in zip(page, found, strict=True)
            if there is None or there.version != each.version
        }

    def reconcile_ids(self, compared: Mapping[str, int]) -> dict[str, KnownDocuments]:
        """Delete documents that the current index lacks, and write those that the next one lacks.

        Returns the documents of the current index, by shard, for `delete_missing`. `compared`: how far documents were
        compared one by one; if code leaves documents out, an older one that is missing was left out.
        """
        client, source, target = self._job.client, self._passage.source, self._passage.target
        self._copying.touched.clear()
        limits = existing.global_checkpoints(client, source)
        for index in (source, target):
            existing.refresh(client, index)
        present = {shard: self._listed(source, shard) for shard in limits}
        there = set[Key]()
        for shard in existing.global_checkpoints(client, target):
            there.update(self._listed(target, shard))
        for shard, keys in present.items():
            since = compared.get(shard, -1) if self._becoming.has_code else -1
            self._add([key for key in keys.keys() - there if keys[key] > since], shard)
            there -= keys.keys()
        self._delete(list(there))
        return {shard: KnownDocuments(keys, limits[shard]) for shard, keys in present.items()}

    def _listed(self, index: str, shard: str) -> dict[Key, int]:
        found: dict[Key, int] = {}
        for page in pages.ids(self._job.client, index, shard):
            self._job.lease.check()
            found.update((each.key, each.seq_no) for each in page)
        return found

    def delete_missing(
        self, known: Mapping[str, KnownDocuments], copied: Mapping[str, int], deadline: Deadline | None = None
    ) -> dict[str, KnownDocuments]:
        """Delete documents that were deleted from the current index since it had `known`; return those it has now.

        Every document of the next index is known, or was copied since by this run: all up to `copied` were. With a
        `deadline`, writes are blocked. Raises StepFailed, DeadlineExceeded.
        """
        client, source = self._job.client, self._passage.source
        touched, self._copying.touched = self._copying.touched, {}
        if deadline is None:
            existing.refresh(client, source)
        found: dict[str, KnownDocuments] = {}
        for shard, before in known.items():
            unsure = dict.fromkeys(changed_since(client, source, shard, before))
            unsure |= dict.fromkeys(key for key, its in touched.items() if its == shard)
            gone: list[Key] = []
            numbered: dict[Key, int] = {}
            keys = list(unsure)
            for first in range(0, len(keys), _LOOKED_UP):
                if deadline is not None:
                    deadline.check()
                some = keys[first : first + _LOOKED_UP]
                there = documents.read(self._job, source, some, sources=False)
                gone += [key for key, each in zip(some, there, strict=True) if each is None]
                numbered |= {each.key: each.seq_no for each in there if each is not None}
            self._delete(gone)
            if deadline is None:
                found[shard] = before.renewed(gone, numbered, copied[shard])
        return found

    def require_equal_counts(self) -> None:
        """Raise StepFailed unless both indexes have equally many documents; not checked if code may leave some out."""
        client, run_aliases = self._job.client, self._passage
        if self._becoming.has_code:
            return
        existing.refresh(client, run_aliases.target)
        ours, theirs = existing.count(client, run_aliases.source), existing.count(client, run_aliases.target)
        if ours != theirs:
            raise StepFailed(
                f"{run_aliases.target} has {theirs} documents, and {run_aliases.source} has {ours}",
                because="something else writes to one of them by its own name",
                try_="run the same command again: it compares all of them again",
            )

    def _delete(self, extra: Sequence[Key]) -> None:
        self.deleted += self._copying.settle(dict.fromkeys(extra), "")

    def _add(self, keys: Sequence[Key], shard: str) -> None:
        for first in range(0, len(keys), pages.FIRST):
            some = keys[first : first + pages.FIRST]
            found = documents.read(self._job, self._passage.source, some)
            wanted = {each.key: self._becoming.apply(each) for each in found if each is not None}
            self.repaired += self._copying.settle(wanted, shard)
