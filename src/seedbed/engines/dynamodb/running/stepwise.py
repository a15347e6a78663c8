"""Running one migration on a target: steps one by one, each with its record."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress

from msgspec.structs import replace

from seedbed.engines.base import Progress
from seedbed.engines.dynamodb.running import free
from seedbed.engines.dynamodb.store import history
from seedbed.engines.dynamodb.store.fenced_writer import SOME, FencedWriter
from seedbed.engines.dynamodb.store.history import Action
from seedbed.engines.dynamodb.wire.errors import ServiceError
from seedbed.engines.kit.errors import decide, stopped_within
from seedbed.engines.kit.stepwise import Stepwise, is_gone
from seedbed.errors import (
    Interrupted,
    LeaseLost,
    OutcomeUnknown,
    SeedbedError,
)
from seedbed.model.history import Revision
from seedbed.model.migration import Direction, Step, Work
from seedbed.model.verification import QueryRow


class MigrationRun(Stepwise):
    """Runs one migration in one direction.

    `events` raises StepFailed, OutcomeUnknown, LeaseLost, Interrupted; Refused where a table or index that
    it needs does not exist.
    """

    def __init__(self, lease: FencedWriter, work: Work) -> None:
        super().__init__(lease.database.target, work, lease.owner)
        self.lease, self.database = lease, lease.database

    def _take_up(self, stored: Revision | None) -> bool:
        resumed = super()._take_up(stored)
        self.lease.require_needs(self.migration)
        return resumed

    def _carry_out(self, step: Step) -> Iterator[Progress]:
        if step.backfill is not None:
            yield from self._transform(step)
        elif step.atomic:
            self._together(step)
        else:
            yield from self._alone(step)

    def _rows(self, query: str, most: int) -> Sequence[QueryRow]:
        from seedbed.engines.dynamodb.running.queries import rows

        return rows(self.database, query, most)

    # the history

    def _records(self, revision: Revision) -> list[Action]:
        """Return the actions that write `revision`; a finished revert leaves the history, and a line about it."""
        if is_gone(revision):
            audit = history.audit(self.database, self.lease.owner, "revert", revision.version, "")
            return [history.forget(self.database, revision.version), audit]
        return [history.write(self.database, revision)]

    def _commit(self, revision: Revision, *, anyway: bool = False) -> None:
        self._commit_with([], revision, anyway=anyway)

    def _commit_with(self, actions: list[Action], revision: Revision, *, anyway: bool = False) -> None:
        """Carry out `actions` and write `revision`, both or neither."""
        self.lease.commit([*actions, *self._records(revision)], anyway=anyway)
        self.revision = revision

    def _restore(self, before: Revision | None) -> None:
        record = (
            history.write(self.database, before)
            if before
            else history.forget(self.database, self.migration.version)
        )
        self.lease.commit([record], anyway=True)

    # steps in one transaction

    def _together(self, step: Step) -> None:
        collected = free.CollectedWrites()
        free.run(self.lease, self.migration, self.work.direction, step, collected)
        try:
            self._commit_with([each.action for each in collected.writes], self._after(step))
        except ServiceError as error:
            raise free.refused(self.migration, self.lease, collected.writes, error) from None

    # steps that write as they go

    def _alone(self, step: Step) -> Iterator[Progress]:
        if self.revision.in_step and (yield from self._settled(step)):
            self._commit(self._after(step))
            return
        self._commit(replace(self.revision, in_step=True))
        direct = free.DirectWrites(self.lease)
        try:
            free.run(self.lease, self.migration, self.work.direction, step, direct)
        except SeedbedError as error:
            if direct.count == 0 and not isinstance(error, LeaseLost):
                self._undone()
                raise
            raise self._half_done(step, direct.count, error) from error
        self._commit(self._after(step), anyway=True)  # it is done, whoever asked to stop meanwhile

    def _half_done(self, step: Step, count: int, error: SeedbedError) -> SeedbedError:
        """Return what a person reads about a step that ended in its middle; its record says that it was begun."""
        if isinstance(error, LeaseLost):
            return error
        if isinstance(error, Interrupted):
            if step.repeatable or free.can_tell(self.migration, step):
                return error  # the next run finds out
            return stopped_within(self.migration.label, self.migration.version, self._at(step))
        if step.repeatable:
            with suppress(SeedbedError):
                self._begins_anew()
            try_ = "fix the migration and run the same command again: it begins anew"
        else:
            try_ = decide(self.migration.version)
        return OutcomeUnknown(
            error.what,
            because=f"{error.because}; {count} of its writes had gone out before"
            if error.because
            else f"{count} writes had gone out",
            try_=try_,
            at=error.at,
        )

    def _settled(self, step: Step) -> Generator[Progress, None, bool]:
        """Determine the outcome of a step that was begun; return whether it is done. Raises OutcomeUnknown."""
        verdict = free.took_effect(self.lease, self.migration, self.work.direction, step)
        if verdict is None and not step.repeatable:
            raise OutcomeUnknown(
                f"it is unknown whether {self.migration.label} took effect on {self.target}",
                because="a former run started it and recorded no result, and it has no `applied(table)` to ask",
                try_=decide(self.migration.version),
                at=self._at(step),
            )
        messages = {
            None: "it is declared repeatable: it runs again",
            True: "`applied` says that it took effect",
            False: "`applied` says that it did not take effect: it runs again",
        }
        if verdict is not None and self.work.direction is Direction.DOWN:
            messages |= {
                True: "`applied` says that it is gone",
                False: "`applied` says that it is there: it runs again",
            }
        yield self._probed(step, messages[verdict])
        return bool(verdict)

    # transformations

    def _transform(self, step: Step) -> Iterator[Progress]:
        from seedbed.engines.dynamodb.running.transform.job import TransformJob
        from seedbed.engines.dynamodb.running.transform.run import run

        if not self.revision.checkpoint:
            self.lease.begin(self.revision)
        table = self.migration.settings["table"]
        job = TransformJob(
            client=self.database.client,
            lease=self.lease,
            migration=self.migration,
            direction=self.work.direction,
            step=step,
            table=self.database.physical(table),
            shape=self.database.shape(table),
            revision=self.revision,
            options=self.database.address,
        )
        yield from run(job)
        self._finish_transformation(step)

    def _finish_transformation(self, step: Step) -> None:
        """Record that it is finished. Its checkpoints go with it, or after it: none may go before."""
        drops = self.lease.checkpoint_drops(self.migration.version)
        self._commit_with(drops[:SOME], self._after(step))
        self.lease.drop_checkpoints(drops[SOME:])
