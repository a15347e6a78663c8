"""A next index under writes: the states of `states`, one after the other, from wherever a former run left them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from msgspec.structs import replace

from seedbed.engines.base import Progress
from seedbed.engines.opensearch.files.programs import block_seconds
from seedbed.engines.opensearch.running.reindex import live, making, passage, server
from seedbed.engines.opensearch.running.reindex.comparing import Comparing
from seedbed.engines.opensearch.running.reindex.copying import Copied, Copying, Deadline, TooLong
from seedbed.engines.opensearch.running.reindex.documents import Becoming
from seedbed.engines.opensearch.running.reindex.guardian import guarded, let_in
from seedbed.engines.opensearch.running.reindex.job import Job
from seedbed.engines.opensearch.running.reindex.live import Live
from seedbed.engines.opensearch.running.reindex.numbers import Known
from seedbed.engines.opensearch.running.reindex.passage import Passage
from seedbed.engines.opensearch.running.reindex.standing import Standing, from_text
from seedbed.engines.opensearch.running.reindex.states import HOLDS_WRITERS, State
from seedbed.engines.opensearch.schema.names import next_serial, physical, serial
from seedbed.engines.opensearch.schema.shape import Definition
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed
from seedbed.errors import LeaseLost, Location, Refused, SeedbedError, StepFailed
from seedbed.model.event import ServerNotice, WorkProgressed

SMALL = 200  # documents in a round that is followed by none
SHORT = 0.3  # seconds of one
CLOSINGS, SOON = 4, 0.5  # times that all is compared before the block, and seconds of the last of them
ROUNDS = 60  # before writers are declared to be faster
TRIES = 4  # at ending within the time that writers may wait
SAVE_EVERY = 1.0  # seconds between two checkpoints of one state
_SHARE = 0.8  # of the time that writers may wait, after which they are let in: that takes a moment too
_SETTLES = 5.0  # seconds that lifting the block may take


class Procedure:
    """One run through the states; `standing` is what the history says right now."""

    def __init__(
        self, job: Job, name: str, definition: Definition, becoming: Becoming, *, digest: str, keep: int
    ) -> None:
        self.job, self.name, self.definition, self.becoming = job, name, definition, becoming
        self._digest = digest
        self._keep = keep
        self._on_server = becoming.is_copy
        self._tries = 0
        self._saved = 0.0
        self._total = 0
        self._words: list[str] = []
        self._known: dict[str, Known] = {}
        self.standing, self._is_resumed = self._taken_up()
        self.passage = Passage(self.standing.source, self.standing.target)
        self.copying = Copying(job, self.passage, becoming)

    def events(self) -> Iterator[Progress]:
        """Go through what is left, telling how far it is.

        Raises StepFailed, Refused, LeaseLost, Interrupted; writers are let in again then.
        """
        if not self._is_resumed:
            self._enter(State.PLANNED)
        self._open()
        if self._is_over():
            return
        if self.standing.state in HOLDS_WRITERS:
            passage.lift(self.job.client, self.passage.reader)
            self._enter(State.CLOSING)
        self._total = live.count(self.job.client, self.standing.source)
        while self.standing.state is not State.SWAPPED:
            yield from self._work()[self.standing.state]()
        yield from self._swapped()

    def _work(self) -> Mapping[State, Callable[[], Iterator[Progress]]]:
        return {
            State.PLANNED: self._planned,
            State.FILLING: self._filling,
            State.CATCHING_UP: self._catching_up,
            State.RESTORING: self._restoring,
            State.COMPARING: self._comparing,
            State.CLOSING: self._closing,
            State.BLOCKING: self._without_writers,
        }

    # where it stands

    def _taken_up(self) -> tuple[Standing, bool]:
        """Return where a former run left this, or where a new one begins. Raises Refused."""
        found = from_text(self.job.revision.checkpoint or "")
        if found is not None and (self._fits(found) or self._has_moved(found)):
            return found, True
        present = live.behind(self.job.client, self.name)
        if present is None:
            raise Refused(
                f"there is no index {self.name}",
                because="its next version is filled from the present one",
                at=Location(self.job.migration.path),
            )
        if found is not None and found.state in HOLDS_WRITERS and present.name == found.source:
            self._let_in(found)
        elif present.is_blocked:
            raise Refused(
                f"{present.name} is closed for writers",
                because="somebody closed it, and the next index would be open",
                try_=f'PUT /{present.name}/_settings {{"index.blocks.write": null}}, if it is to be open',
            )
        names = [each.name for each in live.family(self.job.client, self.name)]
        target = physical(self.name, next_serial(self.name, names))
        return (
            Standing(present.name, target, self.job.migration.checksum, self._digest),
            False,
        )

    def _fits(self, found: Standing) -> bool:
        """Return whether what was begun is what is wanted: neither file nor definition has changed since."""
        return (found.checksum, found.digest) == (self.job.migration.checksum, self._digest)

    def _has_moved(self, found: Standing) -> bool:
        """Return whether all was done but the record: an edit comes too late then."""
        present = live.behind(self.job.client, self.name)
        return present is not None and present.name == found.target

    def _let_in(self, found: Standing) -> None:
        """Lift the block that a former run, of another definition, left behind."""
        own = Passage(found.source, found.target)
        own.open(self.job.client, self.job.lease.check)
        passage.lift(self.job.client, own.reader)

    def _open(self) -> None:
        self.passage.open(self.job.client, self.job.lease.check)

    def _is_over(self) -> bool:
        """Return whether the aliases have moved already; what is left is to tidy up.

        Asked after our own passage is open: a swap that a former run sent and that did not arrive yet never will.
        """
        if not self._is_resumed or not self._has_moved(self.standing):
            return False
        self.passage.close(self.job.client, self.job.lease.check)
        if self.standing.state is not State.SWAPPED:
            self._enter(State.SWAPPED)
        self._tidy()
        return True

    def _enter(self, state: State, *, anyway: bool = False, **fields: Any) -> None:
        """Record that `state` begins. Raises LeaseLost."""
        self._save(replace(self.standing, state=state, **fields), anyway=anyway)

    def _save(self, standing: Standing, *, anyway: bool = False) -> None:
        self.job.save(standing.to_text(), anyway=anyway)
        self.standing = standing
        self._saved = time.monotonic()

    def _save_now_and_then(self, **fields: Any) -> None:
        if time.monotonic() - self._saved >= SAVE_EVERY:
            self._save(replace(self.standing, **fields))

    def _told(self, done: int, total: int = 0, what: str = "") -> WorkProgressed:
        words = what or f"{self.standing.target}: {self.standing.state}"
        return WorkProgressed(
            self.job.target, self.job.migration.version, done, max(total, done), "documents", words
        )

    def _noticed(self, text: str) -> ServerNotice:
        return ServerNotice(self.job.target, self.job.migration.version, "NOTICE", text)

    # with writers

    def _planned(self) -> Iterator[Progress]:
        client, standing = self.job.client, self.standing
        making.make(
            self.job,
            standing.target,
            self.definition,
            self.name,
            made=standing.made,
            aliases=[self.passage.writer],
            is_filled=True,
        )
        self._open()  # an index that a former run made does not have this run's alias
        reached = live.reached(client, standing.source)
        # What was done up to here is in every copy that begins from now on; what was written since is caught up with.
        self._enter(State.FILLING, copied=reached if self._on_server else {})
        yield self._told(0, self._total)

    def _filling(self) -> Iterator[Progress]:
        if not self._on_server:
            yield from self._filled_by_us()
            return
        live.refresh(self.job.client, self.standing.source)
        for task in server.fill(self.job, self.passage, self.standing.made, self.standing.task, self._follow):
            yield self._told(task.done, task.total)
        self._enter(State.CATCHING_UP, task="")

    def _follow(self, task: str) -> None:
        self._save(replace(self.standing, task=task))

    def _filled_by_us(self) -> Iterator[Progress]:
        cursors = self.standing.copied
        for each in self.copying.passes(cursors):
            cursors = each.cursors
            self._save_now_and_then(copied=cursors)
            yield self._told(each.documents, self._total)
        self._enter(State.CATCHING_UP, copied=cursors)

    def _catching_up(self) -> Iterator[Progress]:
        yield from self._rounds()
        self._enter(State.RESTORING)

    def _rounds(self) -> Iterator[Progress]:
        """Copy what was written meanwhile until that is little. Raises StepFailed where it never is."""
        for _ in range(ROUNDS):
            began = time.monotonic()
            last: Copied | None = None
            for last in self.copying.passes(self.standing.copied):
                self._save_now_and_then(copied=last.cursors)
                yield self._told(last.documents)
            assert last is not None
            self._save(replace(self.standing, copied=last.cursors))
            if last.documents <= SMALL or time.monotonic() - began <= SHORT:
                return
        raise StepFailed(
            f"{self.standing.target} never catches up with {self.standing.source}",
            because=f"after {ROUNDS} rounds, more is written than can be copied meanwhile",
            try_="run the same command again while less is written: it goes on where it stands",
        )

    def _restoring(self) -> Iterator[Progress]:
        making.restore(self.job, self.passage.writer, self.definition)
        yield from self._until_green()
        self._enter(State.COMPARING)

    def _until_green(self) -> Iterator[Progress]:
        words = ""
        for words in making.until_green(self.job, self.standing.target):
            yield self._told(0, what=words)
        if words != "green":
            yield self._noticed(f"{self.standing.target} is {words}")

    def _comparing(self) -> Iterator[Progress]:
        comparing = Comparing(self.copying)
        done = 0
        for done in comparing.documents({}):
            yield self._told(done, self._total)
        self._enter(State.CLOSING, compared=self.standing.copied)
        yield self._told(done, self._total)

    def _closing(self) -> Iterator[Progress]:
        making.hold_pipelines(self.job, self.passage.writer, self.definition)
        yield from self._until_green()
        comparing = Comparing(self.copying)
        self._known = comparing.ids(self.standing.compared)
        for _ in range(CLOSINGS):  # the less is left to do without writers, the shorter they wait
            began = time.monotonic()
            yield from self._rounds()
            copied = self.standing.copied
            for done in comparing.documents(self.standing.compared):
                yield self._told(done)
            self._save(replace(self.standing, compared=copied))
            self._known = comparing.gone(self._known, self.standing.copied)
            if time.monotonic() - began <= SOON:
                break
        self._enter(State.BLOCKING)

    # without writers

    def _without_writers(self) -> Iterator[Progress]:
        """Close the present index, copy and compare the last of it, and move the aliases; or let writers in again."""
        with guarded(self.job.lease.place.address, self.passage):
            late = self._tried()
        if late is None:
            yield from map(self._noticed, self._words)
            return
        self._tries += 1
        yield self._noticed(f"writers waited for {late.waited:.1f} s, and were let in again before the end")
        self._require_another_try(late)

    def _tried(self) -> TooLong | None:
        """Do all that is done without writers; return what let them in again, where that took too long."""
        try:
            self._blocked(Deadline(_SHARE * block_seconds(self.job.migration)))
        except LeaseLost:
            raise  # who has the lease now looks after writers
        except TooLong as late:
            self._let_writers_in()
            return late
        except BaseException:
            self._let_writers_in()
            raise
        return None

    def _blocked(self, deadline: Deadline) -> None:
        job, standing = self.job, self.standing
        passage.block(job, self.passage.reader, timeout=max(1.0, deadline.seconds))
        self._enter(State.BLOCKED)
        last = live.last_operations(job.client, standing.source)
        comparing = Comparing(self.copying)
        comparing.last(self._known, standing.copied, standing.compared, deadline)
        comparing.gone(self._known, standing.copied, deadline)
        comparing.count()
        making.give_pipelines(job, self.passage.writer, self.definition)
        self._require_health()
        deadline.check()
        self._enter(State.SWAPPING)
        self._require_silence(last)
        self._swap()
        self._words.append(
            f"{self.name} leads to {standing.target}; writers waited for {deadline.waited:.1f} s at most"
        )
        self._enter(State.SWAPPED, anyway=True)

    def _require_health(self) -> None:
        found = live.health(self.job.client, self.standing.target)
        if not making.settled(found):
            raise StepFailed(
                f"{self.standing.target} is {found.get('status')}",
                because="not every copy of it is in its place",
                try_="run the same command again: it waits for them",
            )

    def _require_silence(self, last: Mapping[str, int]) -> None:
        if live.last_operations(self.job.client, self.standing.source) != last:
            raise StepFailed(
                f"{self.standing.source} was written to while it was closed for writers",
                because="somebody lifted the block",
                try_="find out who, and run the same command again: it goes on where it stands",
            )

    def _swap(self) -> None:
        source = self._source()
        try:
            self.passage.swap(self.job, source, source.aliases, self.name)
        except (NoAnswer, RequestFailed):
            if not self._has_moved(self.standing):
                raise

    def _source(self) -> Live:
        found = live.look(self.job.client, self.standing.source)
        if not found:
            raise StepFailed(f"{self.standing.source} is gone", because="somebody removed it")
        return found[0]

    def _require_another_try(self, late: TooLong) -> None:
        if self._tries >= TRIES:
            raise StepFailed(
                f"{self.name} cannot be moved while writers wait for {block_seconds(self.job.migration):g} s at most",
                because=f"copying and comparing the last of it took longer, {self._tries} times: {late}",
                try_="# seedbed: block=30s, or a time when less is written; it goes on where it stands",
            )

    def _let_writers_in(self) -> None:
        """Lift the block, whatever happened, and record that it is lifted; what fails here is done by the next run."""
        # What went wrong before is what a person has to know.
        with closing(self.job.client.sheltered(timeout=_SETTLES)) as client, suppress(SeedbedError):
            found = let_in(client, self.passage)
            if found is not None:
                self.passage = self.copying.passage = found
                self._enter(State.CLOSING, anyway=True)

    # afterwards

    def _swapped(self) -> Iterator[Progress]:
        self._tidy()
        yield self._told(self._total, self._total)

    def _tidy(self) -> None:
        """Remove what former runs left half made, and older indexes than are kept; the last ones stay, read only."""
        mine = serial(self.name, self.standing.target)
        older = [
            each
            for each in live.family(self.job.client, self.name)
            if 0 < serial(self.name, each.name) < mine
            and live.is_ours(each, self.name)
            and not any(not passage.is_passage(alias) for alias in each.aliases)
        ]
        whole = [each for each in older if self._was_in_use(each)]
        kept = {each.name for each in whole[len(whole) - self._keep :]} if self._keep else set()
        for each in older:
            if each.name not in kept:
                remove(self.job, each.name)

    def _was_in_use(self, index: Live) -> bool:
        """Return whether applications ever used `index`: what is half made has the alias of the run that made it."""
        return not any(map(passage.is_passage, index.aliases))


def remove(job: Job, index: str) -> None:
    """Delete the physical `index`, which leads nowhere; its name is never used again."""
    try:
        job.client.call("DELETE", f"/{index}", before=job.lease.check, idempotent=True)
    except RequestFailed as error:
        if not error.is_missing:
            raise
