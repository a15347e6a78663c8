"""One index migration carried out: in place, by a next index, or as the first or last of its kind."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.engines.base import Progress
from seedbed.engines.opensearch.files.programs import Function, function, subject
from seedbed.engines.opensearch.rules.index_hazards import losses
from seedbed.engines.opensearch.running.reindex.documents import Becoming
from seedbed.engines.opensearch.running.reindex.in_place import begin, change_in_place, end
from seedbed.engines.opensearch.running.reindex.job import Job
from seedbed.engines.opensearch.running.reindex.named import put_named
from seedbed.engines.opensearch.running.reindex.procedure import Procedure
from seedbed.engines.opensearch.running.reindex.standing import from_text
from seedbed.engines.opensearch.running.reindex.subject import Aim, aim
from seedbed.engines.opensearch.schema.changes import Change, clashes
from seedbed.engines.opensearch.schema.fields import vectors
from seedbed.engines.opensearch.schema.shape import Definition
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.model.event import ServerNotice
from seedbed.model.migration import Direction


def run(job: Job) -> Iterator[Progress]:
    """Carry out the step of `job` as far as it is not done, telling how far it is; may be called again at any point.

    Returns when what the migration wants is true, and never before. Raises StepFailed naming what was refused,
    Refused, LeaseLost, Interrupted.
    """
    try:
        yield from _carried_out(job)
    except RequestFailed as error:
        if error.is_missing:  # who took over has removed the aliases that this run works by
            job.lease.confirm()
        raise


def _carried_out(job: Job) -> Iterator[Progress]:
    wanted = subject(job.migration)
    if wanted.kind != "index":
        put_named(job, wanted)
        return
    there, old = aim(job, wanted)
    if there.definition is None:
        yield from end(job, there)
    elif old is None:
        yield from begin(job, there, there.definition)
    else:
        yield from _from_one_to_the_next(job, there, old, there.definition)


def _from_one_to_the_next(job: Job, there: Aim, old: Definition, new: Definition) -> Iterator[Progress]:
    found = there.change(old)
    assert found is not None
    code = _code(job)
    is_begun = from_text(job.revision.checkpoint or "") is not None
    made_otherwise = clashes(there.present.mappings, new.mappings) if there.present else ()
    is_new = code is not None or "rebuild" in job.migration.settings or not found.is_in_place
    if made_otherwise and not is_new:
        is_new = True
        yield ServerNotice(job.target, job.migration.version, "NOTICE", "; ".join(made_otherwise))
    if not is_new and not is_begun:
        yield from change_in_place(job, there, found, new)
        return
    removed = _removed(job, found, new) if code is None else ()
    if words := _lost(job, there, found, new, code):
        yield ServerNotice(job.target, job.migration.version, "WARNING", words)
    becoming = Becoming(job.migration.path, code, removed, vectors(new.mappings))
    # What lives is no declaration: it grows with the documents, and is none to compare with.
    digest = new.digest if "version" in job.migration.settings else "as it is"
    yield from Procedure(job, there.name, new, becoming, digest=digest, keep=there.keep).events()


def _code(job: Job) -> Function | None:
    """Return the function of the migration that documents go through in this direction; None where it has none."""
    if "function" not in job.migration.settings:
        return None
    return function(job.step, job.migration.path, job.direction)


def _removed(job: Job, found: Change, new: Definition) -> tuple[str, ...]:
    """Return the fields that are taken out of every document.

    Up: those that the next definition does not have: that is what it means to drop one. Down
    they stay where the older definition lets them: nobody asked for them to be lost.
    """
    is_strict = str(new.mappings.get("dynamic", "true")) == "strict"
    return found.removed if job.direction is Direction.UP or is_strict else ()


def _lost(job: Job, there: Aim, found: Change, new: Definition, code: Function | None) -> str:
    if job.direction is Direction.UP or code is not None:
        return ""
    return losses(there.name, str(new.mappings.get("dynamic", "true")), found.removed)
