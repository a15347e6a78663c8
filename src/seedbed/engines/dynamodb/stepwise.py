"""One migration on its way through a target: steps one by one, each with its record."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

from msgspec.structs import replace

from seedbed.engines.base import Progress
from seedbed.engines.dynamodb import free, history
from seedbed.engines.dynamodb.guarded import SOME, Guarded
from seedbed.engines.dynamodb.history import Action
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.errors import (
    HistoryConflict,
    Interrupted,
    LeaseLost,
    Location,
    OutcomeUnknown,
    SeedbedError,
)
from seedbed.model.event import StepProbed, WorkFinished, WorkProgressed, WorkStarted
from seedbed.model.history import Revision, State
from seedbed.model.migration import Direction, Step, Work


class Run:
    """One work on its way; `revision` is what the history says about it right now."""

    def __init__(self, lease: Guarded, work: Work) -> None:
        self.lease, self.work, self.place = lease, work, lease.place
        self.target = lease.place.target
        self.migration = work.migration
        self.steps = work.migration.steps(work.direction)
        self.before: Revision | None = None
        self.revision = Revision(
            version=self.migration.version,
            name=self.migration.name,
            checksum=self.migration.checksum,
            phase=self.migration.phase,
            state=State.STARTED,
            direction=work.direction,
            overtakes=self.migration.overtakes,
            owner=lease.owner,
        )
        self.began = time.monotonic()

    def events(self, stored: Revision | None) -> Iterator[Progress]:
        """Carry out what is left of the work, telling what happens.

        Raises StepFailed, OutcomeUnknown, LeaseLost, Interrupted, Refused where what it needs is not live.
        """
        resumed = self._take_up(stored)
        self.lease.insist_on_needs(self.migration)
        version, name, direction = self.migration.version, self.migration.name, self.work.direction.value
        yield WorkStarted(self.target, version, name, direction, len(self.steps), resumed)
        for step in self.steps[self.revision.step :]:
            yield from self._carry_out(step)
            if len(self.steps) > 1:
                done = step.index + 1
                yield WorkProgressed(self.target, version, done, len(self.steps), "steps", step.summary)
        if self.revision.state is State.STARTED:  # nothing was left but to say so
            self._commit([], self._finished())
        yield WorkFinished(self.target, version, name, direction, time.monotonic() - self.began)

    def _take_up(self, stored: Revision | None) -> bool:
        """Set out from what the history says; return whether a former run began this work."""
        if stored is not None and stored.state is State.STARTED:
            if stored.direction is not self.work.direction:
                raise self._conflict(f"it was started {stored.direction} and is not finished")
            self.revision = replace(
                self.revision, step=stored.step, in_step=stored.in_step, checkpoint=stored.checkpoint
            )
            return True
        if (stored is None) is (self.work.direction is Direction.DOWN):
            raise self._conflict("it is not applied" if stored is None else "it is applied already")
        self.before = stored
        return False

    def _conflict(self, because: str) -> HistoryConflict:
        what = f"{self.migration.label} cannot go {self.work.direction} on {self.target}"
        return HistoryConflict(what, because=because, try_="seedbed status")

    def _carry_out(self, step: Step) -> Iterator[Progress]:
        if step.backfill is not None:
            yield from self._transform(step)
        elif step.atomic:
            self._together(step)
        else:
            yield from self._alone(step)

    # what the history will say

    def _after(self, step: Step) -> Revision:
        """Return the revision once `step` is finished."""
        done = replace(self.revision, step=step.index + 1, in_step=False, checkpoint=None)
        return self._finished() if step.index + 1 == len(self.steps) else done

    def _finished(self) -> Revision:
        return replace(
            self.revision,
            state=State.APPLIED,
            step=len(self.steps),
            in_step=False,
            checkpoint=None,
            duration_ms=round((time.monotonic() - self.began) * 1000),
        )

    def _records(self, revision: Revision) -> list[Action]:
        """Return the actions that write `revision`; a finished way down leaves the history, and a line about it."""
        if revision.state is State.APPLIED and revision.direction is Direction.DOWN:
            audit = history.audit(self.place, self.lease.owner, "revert", revision.version, "")
            return [history.forget(self.place, revision.version), audit]
        return [history.write(self.place, revision)]

    def _commit(self, actions: list[Action], revision: Revision, *, anyway: bool = False) -> None:
        """Carry out `actions` and write `revision`, both or neither."""
        self.lease.commit([*actions, *self._records(revision)], anyway=anyway)
        self.revision = revision

    # steps in one transaction

    def _together(self, step: Step) -> None:
        collected = free.Collected()
        free.run(self.lease, self.migration, self.work.direction, step, collected)
        try:
            self._commit([each.action for each in collected.writes], self._after(step))
        except ServiceError as error:
            raise free.refused(self.migration, self.lease, collected.writes, error) from None

    # steps that write as they go

    def _alone(self, step: Step) -> Iterator[Progress]:
        if self.revision.in_step and (yield from self._settled(step)):
            self._commit([], self._after(step))
            return
        self._commit([], replace(self.revision, in_step=True))
        direct = free.Direct(self.lease)
        try:
            free.run(self.lease, self.migration, self.work.direction, step, direct)
        except SeedbedError as error:
            if direct.count == 0 and not isinstance(error, LeaseLost):
                self._undone()
                raise
            raise self._half_done(step, direct.count, error) from error
        self._commit([], self._after(step))

    def _half_done(self, step: Step, count: int, error: SeedbedError) -> SeedbedError:
        """Return what a person reads about a step that ended in its middle; its record says that it was begun."""
        if isinstance(error, LeaseLost | Interrupted):
            return error
        try_ = "mend the migration and run the same command again: it begins anew"
        if not step.repeatable:
            try_ = "make the migration `repeatable`, or look what it did, then `seedbed repair` it"
        return OutcomeUnknown(
            error.what,
            because=f"{error.because}; {count} of its writes had gone out before"
            if error.because
            else f"{count} writes had gone out",
            try_=try_,
            at=error.at,
        )

    def _settled(self, step: Step) -> Generator[Progress, None, bool]:
        """Find out what became of a step that was begun; return whether it is done. Raises OutcomeUnknown."""
        version, number = self.migration.version, step.index
        verdict = free.took_effect(self.lease, self.migration, self.work.direction, step)
        if verdict is None and not step.repeatable:
            raise OutcomeUnknown(
                f"nobody can tell whether {self.migration.label} took effect on {self.target}",
                because="a former run began it and never told its end, and it has no `applied(table)` to ask",
                try_=f"look, then `seedbed repair {version} --applied` or `seedbed repair {version} --not-applied`",
                at=Location(self.migration.path, step.line),
            )
        words = {
            None: "it is declared repeatable: it runs again",
            True: "`applied` says that it took effect",
            False: "`applied` says that it did not take effect: it runs again",
        }
        if verdict is not None and self.work.direction is Direction.DOWN:
            words |= {
                True: "`applied` says that it is gone",
                False: "`applied` says that it is there: it runs again",
            }
        yield StepProbed(self.target, version, number, words[verdict])
        return bool(verdict)

    def _undone(self) -> None:
        """The step in hand had no effect, and we know it: the history says so, and forgets a work without any."""
        stands = replace(self.revision, in_step=False)
        if stands.step > 0:
            self._commit([], stands, anyway=True)
        elif self.before is not None:
            self.lease.commit([history.write(self.place, self.before)], anyway=True)
        else:
            self.lease.commit([history.forget(self.place, stands.version)], anyway=True)

    # transformations

    def _transform(self, step: Step) -> Iterator[Progress]:
        from seedbed.engines.dynamodb.transform.job import Job
        from seedbed.engines.dynamodb.transform.run import run

        if not self.revision.checkpoint:
            self.lease.begin(self.revision)
        table = self.migration.settings["table"]
        job = Job(
            client=self.place.client,
            lease=self.lease,
            migration=self.migration,
            direction=self.work.direction,
            step=step,
            table=self.place.physical(table),
            shape=self.place.shape(table),
            revision=self.revision,
            options=self.place.address,
        )
        yield from run(job)
        self._finish_transformation(step)

    def _finish_transformation(self, step: Step) -> None:
        """Record that it is finished. Its checkpoints go with it, or after it: none may go before."""
        drops = self.lease.checkpoint_drops(self.migration.version)
        self._commit(drops[:SOME], self._after(step))
        self.lease.drop_checkpoints(drops[SOME:])
