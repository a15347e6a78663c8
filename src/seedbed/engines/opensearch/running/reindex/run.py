"""Run an index migration: in place, through a next index, or by creating or removing the index."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.engines.base import Progress
from seedbed.engines.opensearch.files.programs import Function, function, is_rebuild, subject_of
from seedbed.engines.opensearch.rules.index_hazards import losses
from seedbed.engines.opensearch.running.reindex.checkpoint import from_text
from seedbed.engines.opensearch.running.reindex.goal import Goal, goal_of
from seedbed.engines.opensearch.running.reindex.in_place import change_in_place, create_first, remove_index
from seedbed.engines.opensearch.running.reindex.job import IndexJob
from seedbed.engines.opensearch.running.reindex.procedure import ReindexProcedure
from seedbed.engines.opensearch.running.reindex.resources import put_resource
from seedbed.engines.opensearch.running.reindex.transform import DocumentTransform
from seedbed.engines.opensearch.schema.changes import IndexChange, clashes, taken_out
from seedbed.engines.opensearch.schema.fields import vectors
from seedbed.engines.opensearch.schema.shape import IndexDefinition
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.model.event import ServerNotice
from seedbed.model.migration import Direction


def run(job: IndexJob) -> Iterator[Progress]:
    """Run what is left of the step of `job`, yielding its progress; may be called again at any point.

    Returns only when the goal is reached. Raises StepFailed naming what was refused, Refused, LeaseLost, Interrupted.
    """
    try:
        yield from _run(job)
    except RequestFailed as error:
        if error.is_missing:  # a run that took over has removed the aliases of this run
            job.lease.confirm()
        raise


def _run(job: IndexJob) -> Iterator[Progress]:
    subject = subject_of(job.migration)
    if subject.kind != "index":
        put_resource(job, subject)
        return
    if job.direction is Direction.DOWN and is_rebuild(job.migration):
        text = (
            f"{subject.name} stays as it is: the migration changed neither its definition nor its documents"
        )
        yield ServerNotice(job.target, job.migration.version, "NOTICE", text)
        return
    goal, old = goal_of(job, subject)
    if goal.definition is None:
        yield from remove_index(job, goal)
    elif old is None:
        yield from create_first(job, goal, goal.definition)
    else:
        yield from _change(job, goal, old, goal.definition)


def _change(job: IndexJob, goal: Goal, old: IndexDefinition, new: IndexDefinition) -> Iterator[Progress]:
    found = goal.change(old)
    assert found is not None
    code = _code(job)
    has_begun = from_text(job.revision.checkpoint or "") is not None
    conflicting = clashes(goal.current.mappings, new.mappings) if goal.current else ()
    is_new = code is not None or "rebuild" in job.migration.settings or not found.is_in_place
    if conflicting and not is_new:
        is_new = True
        yield ServerNotice(job.target, job.migration.version, "NOTICE", "; ".join(conflicting))
    if not is_new and not has_begun:
        yield from change_in_place(job, goal, found, new)
        return
    removed = taken_out(found, new, job.direction) if code is None else ()
    if message := _lost(job, goal, found, new, code):
        yield ServerNotice(job.target, job.migration.version, "WARNING", message)
    transform = DocumentTransform(job.migration.path, code, removed, vectors(new.mappings))
    # Without a version, the definition is read from the index: it grows with the documents and is not to be compared.
    digest = new.digest if "version" in job.migration.settings else "as it is"
    yield from ReindexProcedure(job, goal.name, new, transform, digest=digest, keep=goal.keep).events()


def _code(job: IndexJob) -> Function | None:
    """Return the function that transforms documents in this direction; None if there is none."""
    if "function" not in job.migration.settings:
        return None
    return function(job.step, job.migration.path, job.direction)


def _lost(job: IndexJob, goal: Goal, found: IndexChange, new: IndexDefinition, code: Function | None) -> str:
    if job.direction is Direction.UP or code is not None:
        return ""
    return losses(goal.name, found.removed, is_strict=new.is_strict)
