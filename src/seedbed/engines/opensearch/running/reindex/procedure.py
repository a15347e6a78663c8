"""Reindex into a next index while applications write: the states of `states`, from where a former run ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from msgspec.structs import replace

from seedbed.engines.base import Progress
from seedbed.engines.opensearch.files.programs import block_seconds
from seedbed.engines.opensearch.running.reindex import creation, existing, run_aliases, server_copy
from seedbed.engines.opensearch.running.reindex.checkpoint import ReindexCheckpoint, from_text
from seedbed.engines.opensearch.running.reindex.copier import Copier, CopyProgress, Deadline, DeadlineExceeded
from seedbed.engines.opensearch.running.reindex.existing import ExistingIndex
from seedbed.engines.opensearch.running.reindex.goal import missing
from seedbed.engines.opensearch.running.reindex.job import IndexJob
from seedbed.engines.opensearch.running.reindex.reconcile import Reconciler
from seedbed.engines.opensearch.running.reindex.run_aliases import RunAliases
from seedbed.engines.opensearch.running.reindex.seq_nos import KnownDocuments
from seedbed.engines.opensearch.running.reindex.states import WRITES_BLOCKED, ReindexState
from seedbed.engines.opensearch.running.reindex.transform import DocumentTransform
from seedbed.engines.opensearch.running.reindex.watchdog import release_writers, watchdog
from seedbed.engines.opensearch.schema.names import next_serial, physical, serial
from seedbed.engines.opensearch.schema.shape import IndexDefinition
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed
from seedbed.errors import LeaseLost, Refused, SeedbedError, StepFailed
from seedbed.model.event import ServerNotice, WorkProgressed

SMALL = 200  # documents in the last round
SHORT = 0.3  # seconds of the last round
CLOSINGS, SOON = 4, 0.5  # rounds before the block, at most, and seconds of the last of them
ROUNDS = 60  # at catching up, at most
TRIES = 4  # at ending within the time that writers may wait
SAVE_EVERY = 1.0  # seconds between two checkpoints of one state
_SHARE = 0.8  # of the time that writers may wait, after which the block is removed: that takes a moment too
_SETTLES = 5.0  # seconds that removing the block may take


class ReindexProcedure:
    """One run through the states; `checkpoint` is what the history holds now."""

    def __init__(
        self,
        job: IndexJob,
        name: str,
        definition: IndexDefinition,
        transform: DocumentTransform,
        *,
        digest: str,
        keep: int,
    ) -> None:
        self.job, self.name, self.definition, self.transform = job, name, definition, transform
        self._digest = digest
        self._keep = keep
        self._on_server = transform.is_copy
        self._tries = 0
        self._saved = 0.0
        self._total = 0
        self._told = 0, 0  # documents done, of how many, as progress said last
        self._notices: list[str] = []
        self._known: dict[str, KnownDocuments] = {}
        self.checkpoint, self._is_resumed = self._resume_or_plan()
        self.run_aliases = RunAliases(self.checkpoint.source, self.checkpoint.target)
        self.copier = Copier(job, self.run_aliases, transform)

    def events(self) -> Iterator[Progress]:
        """Run the states that are left, yielding the progress.

        Raises StepFailed, Refused, LeaseLost, Interrupted; the write block is removed then.
        """
        if not self._is_resumed:
            self._enter(ReindexState.PLANNED)
        self._create_aliases()
        if self._has_ended():
            return
        if self.checkpoint.state in WRITES_BLOCKED:
            run_aliases.unblock_writes(self.job.client, self.run_aliases.reader)
            self._enter(ReindexState.CLOSING)
        self._total = existing.count(self.job.client, self.checkpoint.source)
        while self.checkpoint.state is not ReindexState.SWAPPED:
            yield from self._work()[self.checkpoint.state]()
        yield from self._swapped()

    def _work(self) -> Mapping[ReindexState, Callable[[], Iterator[Progress]]]:
        return {
            ReindexState.PLANNED: self._planned,
            ReindexState.FILLING: self._filling,
            ReindexState.CATCHING_UP: self._catching_up,
            ReindexState.RESTORING: self._restoring,
            ReindexState.COMPARING: self._comparing,
            ReindexState.CLOSING: self._closing,
            ReindexState.BLOCKING: self._finish_blocked,
        }

    # the checkpoint

    def _resume_or_plan(self) -> tuple[ReindexCheckpoint, bool]:
        """Return the checkpoint of a former run and True, or a new one and False. Raises Refused."""
        found = from_text(self.job.revision.checkpoint or "")
        if found is not None and (self._fits(found) or self._has_moved(found)):
            return found, True
        current = existing.find_behind(self.job.client, self.name)
        if current is None:
            raise missing(self.job.migration, "a new index is filled from the current one")
        if found is not None and found.state in WRITES_BLOCKED and current.name == found.source:
            self._release_writers_of(found)
        elif current.is_blocked:
            raise Refused(
                f"writes to {current.name} are blocked",
                because="the block is not seedbed's, and the next index would not have it",
                try_=f'PUT /{current.name}/_settings {{"index.blocks.write": null}}, if writes may go on',
            )
        names = [each.name for each in existing.family(self.job.client, self.name)]
        target = physical(self.name, next_serial(self.name, names))
        return (
            ReindexCheckpoint(current.name, target, self.job.migration.checksum, self._digest),
            False,
        )

    def _fits(self, found: ReindexCheckpoint) -> bool:
        """Return whether neither the file nor the definition has changed since."""
        return (found.checksum, found.digest) == (self.job.migration.checksum, self._digest)

    def _has_moved(self, found: ReindexCheckpoint) -> bool:
        """Return whether the aliases have moved and only the record is missing: later edits have no effect then."""
        current = existing.find_behind(self.job.client, self.name)
        return current is not None and current.name == found.target

    def _release_writers_of(self, found: ReindexCheckpoint) -> None:
        """Remove the block that a former run, with another definition, left behind."""
        aliases = RunAliases(found.source, found.target)
        aliases.create(self.job.client, self.job.lease.check)
        run_aliases.unblock_writes(self.job.client, aliases.reader)

    def _create_aliases(self) -> None:
        self.run_aliases.create(self.job.client, self.job.lease.check)

    def _has_ended(self) -> bool:
        """Return whether the aliases have moved already; tidy up if so.

        Call it once this run has aliases of its own: a swap that a former run sent can no longer take effect then.
        """
        if not self._is_resumed or not self._has_moved(self.checkpoint):
            return False
        self.run_aliases.remove(self.job.client, self.job.lease.check)
        if self.checkpoint.state is not ReindexState.SWAPPED:
            self._enter(ReindexState.SWAPPED)
        self._tidy()
        return True

    def _enter(self, state: ReindexState, *, anyway: bool = False, **fields: Any) -> None:
        """Record that `state` begins. Raises LeaseLost."""
        self._told = 0, self._total
        self._save(replace(self.checkpoint, state=state, **fields), anyway=anyway)

    def _save(self, checkpoint: ReindexCheckpoint, *, anyway: bool = False) -> None:
        checkpoint = replace(checkpoint, done=self._told[0], total=self._told[1])
        self.job.save(checkpoint.to_text(), anyway=anyway)
        self.checkpoint = checkpoint
        self._saved = time.monotonic()

    def _save_if_due(self, **fields: Any) -> None:
        if time.monotonic() - self._saved >= SAVE_EVERY:
            self._save(replace(self.checkpoint, **fields))

    def _progress(self, done: int, total: int = 0, what: str = "") -> WorkProgressed:
        message = what or f"{self.checkpoint.target}: {self.checkpoint.state}"
        self._told = done, total
        return WorkProgressed(
            self.job.target, self.job.migration.version, done, max(total, done), "documents", message
        )

    def _notice(self, text: str) -> ServerNotice:
        return ServerNotice(self.job.target, self.job.migration.version, "NOTICE", text)

    # while writers write

    def _planned(self) -> Iterator[Progress]:
        client, checkpoint = self.job.client, self.checkpoint
        creation.create_index(
            self.job,
            checkpoint.target,
            self.definition,
            self.name,
            made=checkpoint.made,
            aliases=[self.run_aliases.writer],
            is_filled=True,
        )
        self._create_aliases()  # an index that a former run created lacks this run's alias
        limits = existing.global_checkpoints(client, checkpoint.source)
        # A copy that begins now holds every operation up to here; later ones are copied while catching up.
        self._enter(ReindexState.FILLING, copied=limits if self._on_server else {})
        yield self._progress(0, self._total)

    def _filling(self) -> Iterator[Progress]:
        if not self._on_server:
            yield from self._copy_from_here()
            return
        existing.refresh(self.job.client, self.checkpoint.source)
        for task in server_copy.copy_on_server(
            self.job, self.run_aliases, self.checkpoint.made, self.checkpoint.task, self._follow
        ):
            progress = self._progress(task.done, task.total)
            self._save_if_due()
            yield progress
        self._enter(ReindexState.CATCHING_UP, task="")

    def _follow(self, task: str) -> None:
        self._save(replace(self.checkpoint, task=task))

    def _copy_from_here(self) -> Iterator[Progress]:
        cursors = self.checkpoint.copied
        for each in self.copier.passes(cursors):
            cursors = each.cursors
            progress = self._progress(each.documents, self._total)
            self._save_if_due(copied=cursors)
            yield progress
        self._enter(ReindexState.CATCHING_UP, copied=cursors)

    def _catching_up(self) -> Iterator[Progress]:
        yield from self._rounds()
        self._enter(ReindexState.RESTORING)

    def _rounds(self) -> Iterator[Progress]:
        """Copy later writes until few are left. Raises StepFailed if that never happens."""
        for _ in range(ROUNDS):
            began = time.monotonic()
            last: CopyProgress | None = None
            for last in self.copier.passes(self.checkpoint.copied):
                self._save_if_due(copied=last.cursors)
                yield self._progress(last.documents)
            assert last is not None
            self._save(replace(self.checkpoint, copied=last.cursors))
            if last.documents <= SMALL or time.monotonic() - began <= SHORT:
                return
        raise StepFailed(
            f"{self.checkpoint.target} never catches up with {self.checkpoint.source}",
            because=f"after {ROUNDS} rounds, documents are still written faster than they are copied",
            try_="run the same command again while less is written: it continues from its checkpoint",
        )

    def _restoring(self) -> Iterator[Progress]:
        creation.restore_settings(self.job, self.run_aliases.writer, self.definition)
        yield from self._until_green()
        self._enter(ReindexState.COMPARING)

    def _until_green(self) -> Iterator[Progress]:
        health = ""
        for health in creation.until_green(self.job, self.checkpoint.target):
            yield self._progress(0, what=health)
        if health != "green":
            yield self._notice(f"{self.checkpoint.target} is {health}")

    def _comparing(self) -> Iterator[Progress]:
        reconciler = Reconciler(self.copier)
        done = 0
        for done in reconciler.compare({}):
            progress = self._progress(done, self._total)
            self._save_if_due()
            yield progress
        self._enter(ReindexState.CLOSING, compared=self.checkpoint.copied)
        yield self._progress(done, self._total)

    def _closing(self) -> Iterator[Progress]:
        creation.clear_pipelines(self.job, self.run_aliases.writer, self.definition)
        yield from self._until_green()
        reconciler = Reconciler(self.copier)
        self._known = reconciler.reconcile_ids(self.checkpoint.compared)
        for _ in range(CLOSINGS):  # the less is left for the block, the shorter writers wait
            began = time.monotonic()
            yield from self._rounds()
            copied = self.checkpoint.copied
            for done in reconciler.compare(self.checkpoint.compared):
                yield self._progress(done)
            self._save(replace(self.checkpoint, compared=copied))
            self._known = reconciler.delete_missing(self._known, self.checkpoint.copied)
            if time.monotonic() - began <= SOON:
                break
        self._enter(ReindexState.BLOCKING)

    # while writes are blocked

    def _finish_blocked(self) -> Iterator[Progress]:
        """Block writes, copy and compare the last ones, and move the aliases; or remove the block again."""
        with watchdog(self.job.lease.cluster.address, self.run_aliases):
            late = self._try_to_finish()
        if late is None:
            yield from map(self._notice, self._notices)
            return
        self._tries += 1
        yield self._notice(
            f"writers waited for {late.waited:.1f} s, then the block was removed: the aliases have not moved"
        )
        self._require_another_try(late)

    def _try_to_finish(self) -> DeadlineExceeded | None:
        """Do all that needs the block; return the deadline error if that took too long."""
        try:
            self._finish(Deadline(_SHARE * block_seconds(self.job.migration)))
        except LeaseLost:
            raise  # the holder of the lease removes the block
        except DeadlineExceeded as late:
            self._release_writers()
            return late
        except BaseException:
            self._release_writers()
            raise
        return None

    def _finish(self, deadline: Deadline) -> None:
        job, checkpoint = self.job, self.checkpoint
        run_aliases.block_writes(job, self.run_aliases.reader, timeout=max(1.0, deadline.seconds))
        self._enter(ReindexState.BLOCKED)
        last = existing.last_seq_nos(job.client, checkpoint.source)
        reconciler = Reconciler(self.copier)
        reconciler.copy_last(self._known, checkpoint.copied, checkpoint.compared, deadline)
        reconciler.delete_missing(self._known, checkpoint.copied, deadline)
        reconciler.require_equal_counts()
        creation.set_pipelines(job, self.run_aliases.writer, self.definition)
        self._require_health()
        deadline.check()
        self._enter(ReindexState.SWAPPING)
        self._require_no_writes(last)
        self._swap()
        self._notices.append(
            f"{self.name} is now {checkpoint.target}; writers waited for {deadline.waited:.1f} s at most"
        )
        self._enter(ReindexState.SWAPPED, anyway=True)

    def _require_health(self) -> None:
        found = existing.health(self.job.client, self.checkpoint.target)
        if not creation.final_health(found):
            raise StepFailed(
                f"{self.checkpoint.target} is {found.get('status')}",
                because="not every copy of it is assigned",
                try_="run the same command again: it waits for them",
            )

    def _require_no_writes(self, last: Mapping[str, int]) -> None:
        if existing.last_seq_nos(self.job.client, self.checkpoint.source) != last:
            raise StepFailed(
                f"{self.checkpoint.source} was written to while writes were blocked",
                because="another process removed the block",
                try_="find that process, then run the same command again: it continues from its checkpoint",
            )

    def _swap(self) -> None:
        source = self._source()
        try:
            self.run_aliases.swap(self.job, source, source.aliases, self.name)
        except (NoAnswer, RequestFailed):
            if not self._has_moved(self.checkpoint):
                raise

    def _source(self) -> ExistingIndex:
        found = existing.look(self.job.client, self.checkpoint.source)
        if not found:
            raise StepFailed(
                f"{self.checkpoint.source} does not exist any more", because="another process removed it"
            )
        return found[0]

    def _require_another_try(self, late: DeadlineExceeded) -> None:
        if self._tries >= TRIES:
            raise StepFailed(
                f"{self.name} cannot be moved within {block_seconds(self.job.migration):g} s of blocked writes",
                because=f"copying and comparing the last writes took longer, {self._tries} times: {late}",
                try_="run it while less is written: it continues from its checkpoint; or let writers wait longer, "
                "# seedbed: block=30s, and it begins anew",
            )

    def _release_writers(self) -> None:
        """Remove the block and record that; if this fails, the next run does it."""
        # The error to report is the one that came before.
        with closing(self.job.client.sheltered(timeout=_SETTLES)) as client, suppress(SeedbedError):
            aliases = release_writers(client, self.run_aliases)
            if aliases is not None:
                self.run_aliases = self.copier.run_aliases = aliases
                self._enter(ReindexState.CLOSING, anyway=True)

    # afterwards

    def _swapped(self) -> Iterator[Progress]:
        self._tidy()
        yield self._progress(self._total, self._total)

    def _tidy(self) -> None:
        """Remove incomplete indexes of former runs and all former indexes but the last `keep`, which stay read only."""
        current = serial(self.name, self.checkpoint.target)
        older = [
            each
            for each in existing.family(self.job.client, self.name)
            if 0 < serial(self.name, each.name) < current
            and existing.is_created_for(each, self.name)
            and not any(not run_aliases.is_run_alias(alias) for alias in each.aliases)
        ]
        complete = [each for each in older if self._was_in_use(each)]
        kept = {each.name for each in complete[len(complete) - self._keep :]} if self._keep else set()
        for each in older:
            if each.name not in kept:
                remove(self.job, each.name)

    def _was_in_use(self, index: ExistingIndex) -> bool:
        """Return whether applications ever used `index`: an incomplete one has the alias of the run that created it."""
        return not any(map(run_aliases.is_run_alias, index.aliases))


def remove(job: IndexJob, index: str) -> None:
    """Delete the physical `index`, which has no alias; its name is never used again."""
    try:
        job.client.call("DELETE", f"/{index}", before=job.lease.check, idempotent=True)
    except RequestFailed as error:
        if not error.is_missing:
            raise
