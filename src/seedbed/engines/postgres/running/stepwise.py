"""Migrations that cannot be one transaction (`transaction:false`): statement by statement.

A statement that may run in a transaction commits with the record that it is done. Any other is recorded as
started, run alone, and recorded as done. If the runner dies in between, seedbed inspects the catalogue to determine
the outcome, and asks for `repair` where it does not show.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

import psycopg

from seedbed.engines.base import Progress
from seedbed.engines.postgres.rules.effects import EffectKind, effect
from seedbed.engines.postgres.rules.sessions import sets_session
from seedbed.engines.postgres.rules.transactions import commits_inside
from seedbed.engines.postgres.running.probe import ProbeResult, probe
from seedbed.engines.postgres.running.steps import is_untouched, line_of, settings
from seedbed.engines.postgres.store.fenced_writer import FencedWriter
from seedbed.engines.postgres.wire.messages import ServerError, refusal, run
from seedbed.errors import Location, OutcomeUnknown, StepFailed
from seedbed.model.event import StepProbed, WorkFinished, WorkProgressed
from seedbed.model.history import Revision
from seedbed.model.migration import Migration, Step, Work

_AS_OURSELVES = (
    "SET LOCAL session_authorization TO DEFAULT; SET LOCAL role TO DEFAULT"  # whatever the statements SET
)


def apply(writer: FencedWriter, work: Work, revision: Revision | None) -> Iterator[Progress]:
    """Carry out `work` from where `revision` stands. Raises StepFailed, OutcomeUnknown, LeaseLost, Interrupted."""
    try:
        yield from _walk(writer, work, revision)
    except ServerError as error:  # between two steps: a record was refused, or an interruption came in
        raise writer.failed(work.migration, error, Location(work.migration.path)) from None


def _walk(writer: FencedWriter, work: Work, revision: Revision | None) -> Iterator[Progress]:
    migration, steps = work.migration, work.migration.steps(work.direction)
    began = time.monotonic()
    if is_untouched(revision):
        run(writer.connection, writer.table.started(work, writer.owner))
    first, in_step = (revision.step, revision.in_step) if revision else (0, False)
    if declared := settings(migration, local=False):
        run(writer.connection, declared)
    for step in steps[:first]:
        if sets_session(step.body):  # it was done in a session that is gone
            run(writer.connection, step.body)
    for step in steps[first:]:
        yield from _carry_out(writer, migration, step, in_step)
        in_step = False
        yield from writer.notices(migration.version)
        yield WorkProgressed(
            writer.target, migration.version, step.index + 1, len(steps), "statements", step.summary
        )
    _write(writer, writer.table.finished(work, writer.owner), then=writer.forget_session())
    yield WorkFinished(
        writer.target, migration.version, migration.name, work.direction.value, time.monotonic() - began
    )


def _carry_out(writer: FencedWriter, migration: Migration, step: Step, begun: bool) -> Iterator[Progress]:
    """Run one step to its record, retrying transient failures. `begun`: by a former run, or a former try."""
    for attempt in writer.attempts():
        try:
            if step.atomic:
                _atomic(writer, migration, step)
                return
            if begun:
                done = yield from _settle(writer, migration, step)
            else:
                done = _is_there(writer, migration, step)
            if not done:
                begun = True
                _alone(writer, migration, step)
            _record(writer, migration, step, done=True)
            return
        except ServerError as error:
            yield from writer.notices(migration.version)
            if begun and _left_nothing(writer, step, error):
                begun = False
                _record(writer, migration, step, done=False)
            yield from writer.retry(migration, error, attempt, _where(migration, step, error))


def _record(writer: FencedWriter, migration: Migration, step: Step, *, done: bool) -> None:
    """Write that nothing is in hand, the step `done` or not."""
    _write(writer, writer.table.stands_at(migration.version, step.index + done, in_step=False))


def _write(writer: FencedWriter, record: str, *, then: str = "") -> None:
    run(writer.connection, f"BEGIN; {_AS_OURSELVES}; {record}; COMMIT; {then}")


def _atomic(writer: FencedWriter, migration: Migration, step: Step) -> None:
    record = writer.table.stands_at(migration.version, step.index + 1, in_step=False)
    run(writer.connection, f"BEGIN; {step.body}\n; {_AS_OURSELVES}; {record}; COMMIT")


def _alone(writer: FencedWriter, migration: Migration, step: Step) -> None:
    """Run a statement that PostgreSQL refuses inside a transaction, recorded as begun."""
    _write(writer, writer.table.stands_at(migration.version, step.index, in_step=True))
    run(writer.connection, step.body)


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


def _left_nothing(writer: FencedWriter, step: Step, error: ServerError) -> bool:
    """Return whether the statement that the server refused with `error` is as if it had never been begun."""
    found = effect(step.body)
    if found is None:
        return not commits_inside(step.body)
    if found.kind is EffectKind.CREATE_INDEX:
        return _probe(writer, step).left_nothing
    # Names and rights are looked at before anything is done.
    return error.sqlstate.startswith("42")


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
    version = migration.version
    return OutcomeUnknown(
        f"it is unknown whether statement {step.index + 1} of {migration.label} took effect on {writer.target}",
        because=f"a former run began it and ended before it was recorded; {explanation}",
        try_=f"look, then `seedbed repair {version} --applied` or `seedbed repair {version} --not-applied`",
        at=Location(migration.path, step.line),
    )


def _where(migration: Migration, step: Step, error: ServerError) -> Location:
    offset = error.position or 0
    if step.atomic:
        offset = max(0, offset - len("BEGIN; "))
    return Location(migration.path, line_of(step, min(offset, len(step.body))))
