"""Migrations that cannot be one transaction (`transaction:false`): statement by statement.

A statement that may run in a transaction commits with the record that it is done. Any other is recorded as
begun, run alone, and recorded as done; if the runner dies in between, the catalogue is asked what became of
it, and where that cannot say, a person is.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

from seedbed.engines.base import Progress
from seedbed.engines.postgres.messages import ServerError, run
from seedbed.engines.postgres.probe import probe
from seedbed.engines.postgres.running import Run, line_of, settings
from seedbed.engines.postgres.statements import EffectKind, commits_inside, effect
from seedbed.errors import Location, OutcomeUnknown, StepFailed
from seedbed.model.event import StepProbed, WorkFinished, WorkProgressed
from seedbed.model.history import Revision
from seedbed.model.migration import Migration, Step, Work


def apply(running: Run, work: Work, revision: Revision | None) -> Iterator[Progress]:
    """Carry out `work` from where `revision` stands. Raises StepFailed, OutcomeUnknown, LeaseLost, Interrupted."""
    migration, steps = work.migration, work.migration.steps(work.direction)
    began = time.monotonic()
    if revision is None:
        run(running.connection, running.table.started(work, running.owner))
    first, in_step = (revision.step, revision.in_step) if revision else (0, False)
    if declared := settings(migration, local=False):
        run(running.connection, declared)
    for step in steps[first:]:
        done = False
        if in_step:
            done = yield from _resume(running, migration, step)
            in_step = False
        if not done:
            yield from _carry_out(running, migration, step)
        yield from running.notices(migration.version)
        yield WorkProgressed(
            running.target, migration.version, step.index + 1, len(steps), "statements", step.summary
        )
    ending = f"BEGIN; {running.table.finished(work, running.owner)}; COMMIT; {running.forget_session()}"
    run(running.connection, ending)
    yield WorkFinished(
        running.target, migration.version, migration.name, work.direction.value, time.monotonic() - began
    )


def _carry_out(running: Run, migration: Migration, step: Step) -> Iterator[Progress]:
    """Run one step to its record, trying again what gave way."""
    attempt = 0
    while True:
        try:
            (_atomic if step.atomic else _alone)(running, migration, step)
            return
        except ServerError as error:
            attempt += 1
            yield from running.retry(migration, error, attempt, _where(migration, step, error))
            yield from _clean(running, migration, step)


def _atomic(running: Run, migration: Migration, step: Step) -> None:
    record = running.table.stands_at(migration.version, step.index + 1, in_step=False)
    run(running.connection, f"BEGIN; {step.body}\n; {record}; COMMIT")


def _alone(running: Run, migration: Migration, step: Step) -> None:
    """Run a statement that PostgreSQL refuses inside a transaction, between its two records."""
    run(running.connection, running.table.stands_at(migration.version, step.index, in_step=True))
    try:
        run(running.connection, step.body)
    except ServerError:
        if effect(step.body) is None and not commits_inside(step.body):
            # The server says that it did nothing, and it is of a kind that does all or nothing.
            run(running.connection, running.table.stands_at(migration.version, step.index, in_step=False))
        raise
    _insist_on_valid_index(running, migration, step)
    run(running.connection, running.table.stands_at(migration.version, step.index + 1, in_step=False))


def _insist_on_valid_index(running: Run, migration: Migration, step: Step) -> None:
    """IF NOT EXISTS takes an invalid index of somebody else's for granted; we do not."""
    found = effect(step.body)
    if found is None or found.kind is not EffectKind.CREATE_INDEX or not found.if_not_exists:
        return
    verdict = probe(running.connection, step.body)
    if verdict.took_effect:
        return
    run(running.connection, running.table.stands_at(migration.version, step.index, in_step=False))
    raise StepFailed(
        f"{migration.label}: index {found.name} exists, but it is not valid",
        because="it was there before this migration, and IF NOT EXISTS takes any index of that name",
        try_=f"look who made it; DROP INDEX CONCURRENTLY {found.name}; then run the same command again",
        at=Location(migration.path, step.line),
    )


def _resume(running: Run, migration: Migration, step: Step) -> Generator[Progress, None, bool]:
    """Find out what became of a step that a former run had begun; return whether it is done."""
    verdict = probe(running.connection, step.body)
    if verdict.took_effect is None and step.repeatable:
        yield StepProbed(running.target, migration.version, step.index, "declared repeatable: run again")
        return False
    if verdict.took_effect is None:
        raise _unknown(running, migration, step, verdict.words)
    yield StepProbed(running.target, migration.version, step.index, verdict.words)
    if verdict.took_effect:
        run(running.connection, running.table.stands_at(migration.version, step.index + 1, in_step=False))
        return True
    for statement in verdict.cleanup:
        run(running.connection, statement)
    if verdict.instead:
        run(running.connection, verdict.instead)
        run(running.connection, running.table.stands_at(migration.version, step.index + 1, in_step=False))
        return True
    return False


def _clean(running: Run, migration: Migration, step: Step) -> Iterator[Progress]:
    """Remove what an attempt that gave way left half made, before the next one."""
    if step.atomic:
        return
    verdict = probe(running.connection, step.body)
    if verdict.took_effect is None:
        if effect(step.body) is not None:
            raise _unknown(running, migration, step, verdict.words)
        return
    if verdict.cleanup:
        yield StepProbed(running.target, migration.version, step.index, verdict.words)
    for statement in verdict.cleanup:
        run(running.connection, statement)


def _unknown(running: Run, migration: Migration, step: Step, words: str) -> OutcomeUnknown:
    version = migration.version
    return OutcomeUnknown(
        f"nobody knows whether statement {step.index + 1} of {migration.label} took effect on {running.target}",
        because=f"a former run began it and ended before it was recorded; {words}",
        try_=f"look, then `seedbed repair {version} --applied` or `seedbed repair {version} --not-applied`",
        at=Location(migration.path, step.line),
    )


def _where(migration: Migration, step: Step, error: ServerError) -> Location:
    offset = error.position or 0
    if step.atomic:
        offset = max(0, offset - len("BEGIN; "))
    return Location(migration.path, line_of(step, min(offset, len(step.body))))
