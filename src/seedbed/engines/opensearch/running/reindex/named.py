"""Pipelines and templates: put whole, so that any of it may be sent again."""

from __future__ import annotations

from seedbed.engines.opensearch.files.programs import Subject
from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex.job import Job
from seedbed.engines.opensearch.schema.shape import Body, Indexes, Named
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import Location, Refused, StepFailed
from seedbed.model.migration import Direction

_PLACES = {"pipeline": ("_ingest", "pipeline"), "template": ("_index_template",)}


def put_named(job: Job, subject: Subject) -> None:
    """Put the version that `job` leads to, or delete the thing where it leads to none. Raises StepFailed, Refused."""
    wanted = _wanted(job, subject)
    where = path(*_PLACES[subject.kind], subject.name)
    try:
        if wanted is not None:
            job.client.call("PUT", where, wanted.body, before=job.lease.check, idempotent=True)
        else:
            job.client.call("DELETE", where, before=job.lease.check, idempotent=True)
    except RequestFailed as error:
        if wanted is None and error.is_missing:
            return
        raise StepFailed(
            f"OpenSearch does not take the {subject.kind} {subject.name}: {error.type or error.status}",
            because=error.because,
            try_="mend it in indexes.toml",
            at=Location(job.migration.path),
        ) from None


def _wanted(job: Job, subject: Subject) -> Body | None:
    declared = _declared(job.lease.place.declared(), subject)
    found = declared.version(subject.version) if declared else None
    if declared is None or found is None:
        raise Refused(
            f"version {subject.version} of {subject.kind} {subject.name} is not declared",
            because="indexes.toml does not have it",
            try_=f"[[{subject.kind}s.{subject.name}.versions]] number = {subject.version}",
            at=Location(job.migration.path),
        )
    return found if job.direction is Direction.UP else declared.before(subject.version)


def _declared(indexes: Indexes, subject: Subject) -> Named | None:
    return indexes.pipeline(subject.name) if subject.kind == "pipeline" else indexes.template(subject.name)
