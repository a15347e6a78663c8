"""Migrations that cannot be one transaction (`transaction:false`): statement by statement.

A statement that may run in a transaction commits with the record that it is done. Any other is recorded as
started, run alone, and recorded as done. If the runner dies in between, seedbed inspects the catalogue to determine
the outcome, and asks for `repair` where it does not show.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress

import psycopg

from seedbed.engines.base import Progress
from seedbed.engines.kit.errors import decide
from seedbed.engines.kit.touched import SentWrite
from seedbed.engines.postgres.rules.effects import EffectKind, effect
from seedbed.engines.postgres.rules.sessions import sets_session
from seedbed.engines.postgres.rules.transactions import commits_inside
from seedbed.engines.postgres.running.probe import ProbeResult, probe
from seedbed.engines.postgres.running.steps import is_untouched, place_in, settings
from seedbed.engines.postgres.store.fenced_writer import FencedWriter
from seedbed.engines.postgres.wire.messages import ServerError, refusal, run
from seedbed.errors import Interrupted, LeaseLost, Location, OutcomeUnknown, StepFailed
from seedbed.model.event import StepProbed, WorkFinished, WorkProgressed
from seedbed.model.history import Revision
from seedbed.model.migration import Migration, Step, Work, digests
from seedbed.wire.retrying import Policy, retrying

_AS_OURSELVES = (
    "SET LOCAL session_authorization TO DEFAULT; SET LOCAL role TO DEFAULT"  # whatever the statements SET
)
_RECORDS = Policy(attempts=8, base=0.1, cap=1.0)  # of a statement that is done
# These wait for transactions that others have open, and keep no reader and no writer waiting meanwhile.
_PATIENT = frozenset(
    {EffectKind.CREATE_INDEX, EffectKind.DROP_INDEX, EffectKind.REINDEX_INDEX, EffectKind.REINDEX_TABLE}
)


def apply(writer: FencedWriter, work: Work, revision: Revision | None) -> Iterator[Progress]:
    """Carry out `work` from where `revision` stands. Raises StepFailed, OutcomeUnknown, LeaseLost, Interrupted."""
    try:
        try:
            yield from _Walk(writer, work).events(revision)
        except ServerError as error:  # between two steps: a record was refused, or an interruption came in
            raise writer.failed(work.migration, error, Location(work.migration.path)) from None
    except (StepFailed, Interrupted):
        take_back_start(writer, work)
        raise


class _Walk:
    """One work on its way, statement by statement."""

    def __init__(self, writer: FencedWriter, work: Work) -> None:
        self._writer = writer
        self._work = work
        self._migration = work.migration
        self._steps = work.migration.steps(work.direction)
        self._digests = digests(self._steps)

    def events(self, revision: Revision | None) -> Iterator[Progress]:
        writer, migration, steps = self._writer, self._migration, self._steps
        began = time.monotonic()
        if is_untouched(revision):
            run(writer.connection, writer.table.started(self._work, writer.owner))
        first, in_step = (revision.step, revision.in_step) if revision else (0, False)
        if declared := settings(migration, local=False):
            run(writer.connection, declared)
        for step in steps[:first]:
            if sets_session(step.body):  # it was done in a session that is gone
                run(writer.connection, step.body)
        for step in steps[first:]:
            yield from self._carry_out(step, in_step)
            in_step = False
            yield from writer.notices(migration.version)
            done = step.index + 1
            yield WorkProgressed(
                writer.target, migration.version, done, len(steps), "statements", step.summary
            )
        write_record(writer, writer.table.finished(self._work, writer.owner), then=writer.forget_session())
        direction = self._work.direction.value
        seconds = time.monotonic() - began
        yield WorkFinished(writer.target, migration.version, migration.name, direction, seconds)

    def _carry_out(self, step: Step, begun: bool) -> Iterator[Progress]:
        """Run one step to its record, retrying transient failures. `begun`: by a former run, or a former try."""
        writer, migration = self._writer, self._migration
        for attempt in writer.attempts():
            sent: SentWrite | None = None
            try:
                if step.atomic:
                    self._atomic(step)
                    return
                if begun:
                    with self._patience(step):
                        done = yield from _settle(writer, migration, step)
                else:
                    done = _is_there(writer, migration, step)
                if not done:
                    write_record(writer, self._standing(step, in_step=True))
                    begun, sent = True, writer.touched.sending()
                    with self._patience(step):
                        run(writer.connection, step.body)
                self._record_done(step)
                return
            except ServerError as error:
                yield from writer.notices(migration.version)
                left = _what_is_left(writer, step, error) if begun else ""
                if begun and not left:
                    begun = False
                    if sent:
                        sent.undone()
                    write_record(writer, self._standing(step))
                if left and not error.is_transient and not error.was_canceled:
                    if step.repeatable:
                        write_record(writer, self._standing(step))
                    raise _partly_done(writer, migration, step, error, left) from None
                try:
                    yield from writer.retry(migration, error, attempt, _where(migration, step, error))
                except (StepFailed, Interrupted) as ended:
                    said = ended.because if isinstance(ended, StepFailed) or not left else ""
                    ended.because = "; ".join(filter(None, (said, left)))
                    raise

    def _record_done(self, step: Step) -> None:
        """Record that `step` is done, also where that was canceled: it is never run again because of its record.

        Raises OutcomeUnknown where the record cannot be written.
        """
        writer, migration = self._writer, self._migration
        for attempt in retrying(_RECORDS):
            try:
                write_record(writer, self._standing(step, done=True))
                return
            except ServerError as error:
                unrecorded = OutcomeUnknown(
                    f"statement {step.index + 1} of {migration.label} took effect on {writer.target}, and its record "
                    "could not be written",
                    because=str(error),
                    try_=decide(migration.version),
                    at=Location(migration.path, step.line),
                )
                if not (error.is_transient or error.was_canceled):
                    raise unrecorded from None
                attempt.failed(unrecorded)

    def _atomic(self, step: Step) -> None:
        with self._writer.touched.unless(ServerError):
            record = self._standing(step, done=True)
            run(self._writer.connection, f"BEGIN; {step.body}\n; {_AS_OURSELVES}; {record}; COMMIT")

    @contextmanager
    def _patience(self, step: Step) -> Iterator[None]:
        """Within it a concurrent build, drop or rebuild waits for the transactions of others as long as they take.

        The manifest's lock_timeout is there for those who would queue behind a statement, and nobody does here; what it
        ended would begin anew from the first row. One that the migration itself has set stays.
        """
        before = self._steps[: step.index]
        is_limited = "lock_timeout" in self._migration.settings or any(
            "lock_timeout" in each.body.lower() for each in before
        )
        found = effect(step.body)
        if is_limited or found is None or found.kind not in _PATIENT:
            yield
            return
        run(self._writer.connection, "SET lock_timeout = 0")
        try:
            yield
        finally:
            with suppress(ServerError, LeaseLost):  # what ended the statement is on its way
                run(self._writer.connection, "RESET lock_timeout")

    def _standing(self, step: Step, *, done: bool = False, in_step: bool = False) -> str:
        """Return the statement that says where the work stands: before `step`, inside it, or after it."""
        number = step.index + done
        stands_at = self._writer.table.stands_at
        return stands_at(self._migration, number, self._digests[number], in_step=in_step)


def take_back_start(writer: FencedWriter, work: Work) -> None:
    """Forget that `work` was begun, if nothing of it is done: its file may be edited, renamed or deleted then."""
    with suppress(ServerError, LeaseLost):  # what ended the work is on its way
        write_record(writer, writer.table.unstarted(work))


def write_record(writer: FencedWriter, record: str, *, then: str = "") -> None:
    """Carry out `record` as the user who logged in, whoever the migration's statements have become; and `then`."""
    run(writer.connection, f"BEGIN; {_AS_OURSELVES}; {record}; COMMIT; {then}")


def _is_there(writer: FencedWriter, migration: Migration, step: Step) -> bool:
    """Return whether the index that `step` makes IF NOT EXISTS is there, valid. Raises StepFailed for any other.

    Asked before the step is recorded as begun: what stands there by now is not ours, whatever becomes of us.
    """
    found = effect(step.body)
    if found is None or found.kind is not EffectKind.CREATE_INDEX:
        return False
    result = _probe(writer, step)
    if result.left_nothing:
        return False
    if found.if_not_exists and result.took_effect:
        return True
    but = ", but it is not valid" if result.cleanup else " already"
    raise StepFailed(
        f"{migration.label}: index {found.name} exists{but}",
        because="it was there before this migration, which does not claim an index that it did not create",
        try_=f"look who made it; DROP INDEX CONCURRENTLY {found.name}; then run the same command again",
        at=Location(migration.path, step.line),
    )


def _what_is_left(writer: FencedWriter, step: Step, error: ServerError) -> str:
    """Return what stays, or may, of a statement that the server refused with `error`; "" where nothing does.

    What is half made is removed at once: an invalid index would cost every write until somebody found it.
    """
    found = effect(step.body)
    if found is None:
        is_whole = error.is_before or not commits_inside(step.body)
        return "" if is_whole else "what it had committed before stays"
    result = _probe(writer, step)
    if result.left_nothing or (error.is_before and not result.cleanup):
        return ""
    if not result.cleanup:
        return result.explanation
    try:
        if not error.was_canceled:  # whoever wants to stop would wait for everybody who uses the table
            for statement in result.cleanup:
                run(writer.connection, statement)
            return ""
    except ServerError:  # the next run removes it
        pass
    return f"an invalid index stays, which the next run removes: {'; '.join(result.cleanup)}"


def _partly_done(
    writer: FencedWriter, migration: Migration, step: Step, error: ServerError, left: str
) -> OutcomeUnknown:
    """Return the error for a statement that failed and left something; its record says so, unless it is repeatable."""
    return OutcomeUnknown(
        f"{migration.label} failed on {writer.target}: {error}",
        because=f"{error.because()}; {left}",
        try_="fix the migration and run the same command again: it begins anew"
        if step.repeatable
        else decide(migration.version),
        at=_where(migration, step, error),
    )


def _probe(writer: FencedWriter, step: Step) -> ProbeResult:
    try:
        return probe(writer.connection, step.body)
    except psycopg.Error as error:
        raise refusal(writer.connection, error) from None


def _settle(writer: FencedWriter, migration: Migration, step: Step) -> Generator[Progress, None, bool]:
    """Determine the outcome of a step that was started, remove what it left behind; return whether it is done."""
    result = _probe(writer, step)
    if result.took_effect is None and step.repeatable:
        yield StepProbed(writer.target, migration.version, step.index, "declared repeatable: run again")
        return False
    if result.took_effect is None:
        raise _unknown(writer, migration, step, result.explanation)
    yield StepProbed(writer.target, migration.version, step.index, result.explanation)
    for statement in (*result.cleanup, *filter(None, [result.instead])):
        run(writer.connection, statement)
    return result.took_effect or bool(result.instead)


def _unknown(writer: FencedWriter, migration: Migration, step: Step, explanation: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"it is unknown whether statement {step.index + 1} of {migration.label} took effect on {writer.target}",
        because=f"a former run began it and ended before it was recorded; {explanation}",
        try_=decide(migration.version),
        at=Location(migration.path, step.line),
    )


def _where(migration: Migration, step: Step, error: ServerError) -> Location:
    if error.position is None:
        return Location(migration.path, step.line)
    return place_in(migration.path, step, error.position - (len("BEGIN; ") if step.atomic else 0))
