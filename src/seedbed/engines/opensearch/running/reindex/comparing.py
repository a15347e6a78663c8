"""Whether the next index holds what it should: every `_id`, and what is under it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from seedbed.engines.opensearch.running.reindex import live, pages, writing
from seedbed.engines.opensearch.running.reindex.copying import Copying, Deadline
from seedbed.engines.opensearch.running.reindex.numbers import Known, changed_since
from seedbed.engines.opensearch.running.reindex.pages import Key, Stored
from seedbed.errors import StepFailed

_NAMED = 5
_LOOKED_UP = 5000  # documents of which only numbers are asked for


class Comparing:
    """Compares the two indexes of one run, and rewrites what differs."""

    def __init__(self, copying: Copying) -> None:
        self._copying = copying
        self._job, self._passage = copying.job, copying.passage
        self._becoming = copying.becoming
        self.repaired = 0
        self.deleted = 0

    def documents(self, cursors: Mapping[str, int]) -> Iterator[int]:
        """Compare what was changed after `cursors` and rewrite what differs; yield how many were compared, by page.

        Raises StepFailed.
        """
        client, source = self._job.client, self._passage.source
        count = 0
        live.refresh(client, source)
        for shard in live.reached(client, source):
            for page in pages.changed(client, source, shard, cursors.get(shard, -1), pages.IDS):
                self._page(page, shard)
                count += len(page)
                yield count

    def last(
        self,
        shards: Iterable[str],
        copied: Mapping[str, int],
        compared: Mapping[str, int],
        deadline: Deadline,
    ) -> None:
        """Copy what was changed after `copied`, and compare what was changed after `compared`, writers being out.

        Nothing may be left that differs after that. Raises StepFailed, TooLong.
        """
        client, source = self._job.client, self._passage.source
        live.refresh(client, source)
        for shard in shards:
            since, done = copied.get(shard, -1), compared.get(shard, -1)
            for page in pages.changed(client, source, shard, min(since, done), pages.IDS, is_still=True):
                deadline.check()
                self._copying.copy([each for each in page if each.seq_no > since], shard)
                self._page([each for each in page if each.seq_no > done], shard, must_hold=True)

    def _page(self, page: Sequence[Stored], shard: str, *, must_hold: bool = False) -> None:
        wanted = self._doubtful(page)
        changed = self._copying.settle(wanted, shard)
        self.repaired += changed
        if changed and must_hold and not self._becoming.has_code and self._copying.settle(wanted, shard):
            some = ", ".join(repr(key[0]) for key in list(wanted)[:_NAMED])
            raise StepFailed(
                f"{self._passage.target} does not hold what is written into it",
                because=f"documents come back changed, {some} among them",
                try_="look for what changes documents on their way: a pipeline of a template, another writer",
            )

    def _doubtful(self, page: Sequence[Stored]) -> dict[Key, bytes | None]:
        """Return what the documents of `page` become, without those that are known to be that already.

        Code may be slow, and say another thing each time: where it made a document, the version tells that it was
        made from this one. Versions that do not agree prove nothing, so that these are made again.
        """
        if not self._becoming.has_code:
            return {each.key: self._becoming.of(each) for each in page}
        found = writing.read(self._job, self._passage.target, [each.key for each in page], sources=False)
        return {
            each.key: self._becoming.of(each)
            for each, there in zip(page, found, strict=True)
            if there is None or there.version != each.version
        }

    def ids(self, compared: Mapping[str, int]) -> dict[str, Known]:
        """Delete what the present index does not have any more, and write what the next one lacks.

        Returns what the present index has, by shard: `gone` goes on from it. `compared`: how far documents were
        compared one by one; where code leaves documents out, an older one that is missing is so on purpose.
        """
        client, source, target = self._job.client, self._passage.source, self._passage.target
        self._copying.touched.clear()
        limits = live.reached(client, source)
        for index in (source, target):
            live.refresh(client, index)
        present = {shard: self._listed(source, shard) for shard in limits}
        there = set[Key]()
        for shard in live.reached(client, target):
            there.update(self._listed(target, shard))
        for shard, keys in present.items():
            since = compared.get(shard, -1) if self._becoming.has_code else -1
            self._add([key for key in keys.keys() - there if keys[key] > since], shard)
            there -= keys.keys()
        self._delete(list(there))
        return {shard: Known(keys, limits[shard]) for shard, keys in present.items()}

    def _listed(self, index: str, shard: str) -> dict[Key, int]:
        found: dict[Key, int] = {}
        for page in pages.ids(self._job.client, index, shard):
            self._job.lease.check()
            found.update((each.key, each.seq_no) for each in page)
        return found

    def gone(
        self, known: Mapping[str, Known], copied: Mapping[str, int], deadline: Deadline | None = None
    ) -> dict[str, Known]:
        """Delete what is gone from the present index since it had what is `known`; return what it has now.

        The next index has nothing that is not known, or was not copied into it since by this very run: all up to
        `copied` was. With a `deadline`, writers are out. Raises StepFailed, TooLong.
        """
        client, source = self._job.client, self._passage.source
        touched, self._copying.touched = self._copying.touched, {}
        if deadline is None:
            live.refresh(client, source)
        found: dict[str, Known] = {}
        for shard, before in known.items():
            doubtful = dict.fromkeys(changed_since(client, source, shard, before))
            doubtful |= dict.fromkeys(key for key, its in touched.items() if its == shard)
            gone: list[Key] = []
            numbered: dict[Key, int] = {}
            keys = list(doubtful)
            for first in range(0, len(keys), _LOOKED_UP):
                if deadline is not None:
                    deadline.check()
                some = keys[first : first + _LOOKED_UP]
                there = writing.read(self._job, source, some, sources=False)
                gone += [key for key, each in zip(some, there, strict=True) if each is None]
                numbered |= {each.key: each.seq_no for each in there if each is not None}
            self._delete(gone)
            if deadline is None:
                found[shard] = before.renewed(gone, numbered, copied[shard])
        return found

    def count(self) -> None:
        """Raise StepFailed unless both indexes have as many documents, where none is left out."""
        client, passage = self._job.client, self._passage
        if self._becoming.has_code:
            return
        live.refresh(client, passage.target)
        ours, theirs = live.count(client, passage.source), live.count(client, passage.target)
        if ours != theirs:
            raise StepFailed(
                f"{passage.target} has {theirs} documents, and {passage.source} has {ours}",
                because="something else writes into one of them by its own name",
                try_="run the same command again: it compares them all once more",
            )

    def _delete(self, extra: Sequence[Key]) -> None:
        self.deleted += self._copying.settle(dict.fromkeys(extra), "")

    def _add(self, keys: Sequence[Key], shard: str) -> None:
        for first in range(0, len(keys), pages.FIRST):
            some = keys[first : first + pages.FIRST]
            found = writing.read(self._job, self._passage.source, some)
            wanted = {each.key: self._becoming.of(each) for each in found if each is not None}
            self.repaired += self._copying.settle(wanted, shard)
