"""Run one migration on a target: its steps one by one, each with its record."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from seedbed.engines.base import Progress
from seedbed.engines.kit.errors import decide, stopped_within
from seedbed.engines.kit.stepwise import Stepwise, is_gone
from seedbed.engines.opensearch.files.programs import is_program
from seedbed.engines.opensearch.files.requests import request
from seedbed.engines.opensearch.rules import plugins
from seedbed.engines.opensearch.rules.kinds import RequestKind
from seedbed.engines.opensearch.running import tasks
from seedbed.engines.opensearch.running.requests import RequestRunner, RequestTag
from seedbed.engines.opensearch.store import history
from seedbed.engines.opensearch.store.fenced_writer import Documents, FencedWriter
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed
from seedbed.engines.opensearch.wire.outcome import PartlyDone
from seedbed.errors import (
    LeaseLost,
    OutcomeUnknown,
    SeedbedError,
    StepFailed,
)
from seedbed.model.event import WorkProgressed
from seedbed.model.history import Revision
from seedbed.model.migration import Direction, Step, Work
from seedbed.model.verification import QueryRow


class MigrationRun(Stepwise):
    """Runs one migration in one direction; `events` raises StepFailed, OutcomeUnknown, LeaseLost, Interrupted."""

    def __init__(self, lease: FencedWriter, work: Work) -> None:
        super().__init__(lease.cluster.target, work, lease.owner)
        self.lease, self.cluster = lease, lease.cluster
        self._resumed_at = -1  # the step that a former run may have tried

    def _take_up(self, stored: Revision | None) -> bool:
        is_resumed = super()._take_up(stored)
        self._resumed_at = self.revision.step if is_resumed else -1
        return is_resumed

    def _carry_out(self, step: Step) -> Iterator[Progress]:
        self.lease.check()
        if is_program(self.migration):
            yield from self._reindex(step)
            return
        try:
            if step.atomic and not self.revision.in_step:
                self._run_atomically(step)
            else:
                yield from self._run_recorded(step)
        except SeedbedError as error:
            raise self._located(step, error) from error

    def _located(self, step: Step, error: SeedbedError) -> SeedbedError:
        """Return `error` with the name of the migration and the line of its request."""
        if isinstance(error, NoAnswer) and self.lease.interrupted:  # the interruption closed the connection
            if step.repeatable or self._runner(step).kind is not RequestKind.ONCE:
                return self.lease.stopped()  # the next run finds out
            return stopped_within(self.migration.label, self.migration.version, self._at(step))
        if isinstance(error, LeaseLost) or not isinstance(error, StepFailed | OutcomeUnknown):
            return error
        kind = StepFailed if isinstance(error, RequestFailed) else type(error)
        what = error.what if self.migration.label in error.what else f"{self.migration.label}: {error.what}"
        at = error.at or self._at(step)
        return kind(what, because=error.because, try_=error.try_ or plugins.advice(error.because), at=at)

    def _rows(self, query: str, most: int) -> Sequence[QueryRow]:
        from seedbed.engines.opensearch.running.queries import rows

        return rows(self.cluster, query, most)

    # the history

    def _documents(self, revision: Revision) -> Documents:
        """Return what records `revision`; a finished revert leaves the history, and a line about it."""
        if is_gone(revision):
            audit = history.audit(self.lease.owner, "revert", revision.version, "")
            return {**history.gone(revision.version), **audit}
        return history.document(revision)

    def _commit(self, revision: Revision, *, anyway: bool = False) -> None:
        self.lease.write(self._documents(revision), anyway=anyway)
        self.revision = revision

    def _restore(self, before: Revision | None) -> None:
        version = self.migration.version
        self.lease.write(history.document(before) if before else history.gone(version), anyway=True)

    # requests

    def _runner(self, step: Step, mark: str = "") -> RequestRunner:
        found = request(step.body, step.line, step.summary)
        prefix = "down-" if self.work.direction is Direction.DOWN else ""
        tag = RequestTag(self.target, self.migration.version, f"{prefix}{step.index}", mark)
        return RequestRunner(self.lease, found, tag)

    def _run_atomically(self, step: Step) -> None:
        """Send a request that takes effect together with its record."""
        runner, after = self._runner(step), self._after(step)
        begun = replace(self.revision, in_step=True)

        def documents() -> Documents:
            return self._documents(self._after(step))

        runner.run_atomically(f"{self.migration.label}: {step.summary}", documents, history.document(begun))
        self.revision = after

    def _run_recorded(self, step: Step) -> Iterator[Progress]:
        """Send a request between two records: that it has begun, and that it is finished."""
        if self.revision.in_step and (yield from self._settled(step)):
            self._commit(self._after(step))
            return
        # One that is repeatable and failed in part is no longer in hand; what it has written is there all the same.
        again = self.revision.in_step or (step.repeatable and step.index == self._resumed_at)
        mark = uuid4().hex[:12]
        self._commit(replace(self.revision, in_step=True, checkpoint=json.dumps({"mark": mark})))
        runner = self._runner(step, mark)
        try:
            yield from self._progress(step, runner.run(again=again))
        except SeedbedError as error:
            self._record_failure(step, runner, error, again=again)
            raise
        self._commit(self._after(step), anyway=True)  # it is done, whoever asked to stop meanwhile

    def _progress(self, step: Step, states: Iterator[tasks.ServerTask]) -> Iterator[Progress]:
        recorded = ""
        for state in states:
            if state.id != recorded:  # the next run finds it at once
                recorded = state.id
                checkpoint = {**self._checkpoint(), "task": state.id}
                self._commit(replace(self.revision, checkpoint=json.dumps(checkpoint)))
            if state.total and not state.is_over:
                version = self.migration.version
                yield WorkProgressed(self.target, version, state.done, state.total, "documents", step.summary)

    def _checkpoint(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.revision.checkpoint or "{}")
        return found

    def _record_failure(self, step: Step, runner: RequestRunner, error: SeedbedError, *, again: bool) -> None:
        """Record a failed request: as not begun if it left nothing, else as begun, with its end.

        One that is repeatable is begun anew by the next run. `again`: a former run may have left something of it.
        """
        if isinstance(error, LeaseLost):
            return
        is_refused = isinstance(error, RequestFailed) and error.status < 500
        is_over = isinstance(error, StepFailed) and not isinstance(error, RequestFailed)
        if not runner.was_sent or is_refused or is_over:
            if again:
                self._begins_anew()
            else:
                self._undone()
        elif isinstance(error, PartlyDone) and step.repeatable:
            self._begins_anew()
        elif isinstance(error, PartlyDone):
            self._commit(
                replace(self.revision, checkpoint=json.dumps({"failed": error.because})), anyway=True
            )
            error.try_ = decide(self.migration.version)

    def _settled(self, step: Step) -> Generator[Progress, None, bool]:
        """Determine the outcome of a step that was begun; return whether it is done. Raises OutcomeUnknown."""
        checkpoint = self._checkpoint()
        runner = self._runner(step, checkpoint.get("mark", ""))
        if runner.kind is RequestKind.TASK and "failed" not in checkpoint:
            task = checkpoint.get("task") or (
                tasks.find(self.cluster.client, runner.tag.opaque_id) if checkpoint else ""
            )
            if task:
                yield self._probed(step, "its task was found and is followed to its end")
                runner.was_sent = True
                try:
                    yield from self._progress(step, runner.follow(task))
                except SeedbedError as error:
                    self._record_failure(step, runner, error, again=False)
                    raise
                return True
        verdict = None if step.repeatable else runner.took_effect()
        if verdict is None and not step.repeatable:
            raise OutcomeUnknown(
                f"the outcome of {self.migration.label} on {self.target} is unknown",
                because=checkpoint.get("failed")
                or f"a former run sent {runner.request} and recorded no result",
                try_=decide(self.migration.version),
                at=self._at(step),
            )
        outcomes = {
            None: "it is repeatable: it runs again",
            True: "its result exists: it took effect",
            False: "its result is missing: it runs again",
        }
        yield self._probed(step, outcomes[verdict])
        return bool(verdict)

    # index versions

    def _reindex(self, step: Step) -> Iterator[Progress]:
        from seedbed.engines.opensearch.running.reindex.job import IndexJob
        from seedbed.engines.opensearch.running.reindex.run import run

        job = IndexJob(
            self.lease, self.migration, self.work.direction, step, self.revision, self.cluster.address
        )
        yield from run(job)
        self._commit(self._after(step))
