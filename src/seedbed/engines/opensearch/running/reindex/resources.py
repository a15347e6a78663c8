"""Pipelines and templates. Each is put whole, so that any request may be repeated."""

from __future__ import annotations

from seedbed.engines.opensearch.files.programs import MigrationSubject
from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.running.reindex.job import IndexJob
from seedbed.engines.opensearch.schema.shape import ResourceVersion
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.errors import Location, Refused, StepFailed
from seedbed.model.migration import Direction

_PATHS = {"pipeline": ("_ingest", "pipeline"), "template": ("_index_template",)}


def put_resource(job: IndexJob, subject: MigrationSubject) -> None:
    """Put the version that `job` leads to, or delete the resource if it leads to none. Raises StepFailed, Refused."""
    version = _version(job, subject)
    where = path(*_PATHS[subject.kind], subject.name)
    try:
        if version is not None:
            job.client.call("PUT", where, version.body, before=job.lease.check, idempotent=True)
        else:
            job.client.call("DELETE", where, before=job.lease.check, idempotent=True)
    except RequestFailed as error:
        if version is None and error.is_missing:
            return
        raise StepFailed(
            f"OpenSearch refused the {subject.kind} {subject.name}: {error.type or error.status}",
            because=error.because,
            try_="fix it in indexes.toml",
            at=Location(job.migration.path),
        ) from None


def _version(job: IndexJob, subject: MigrationSubject) -> ResourceVersion | None:
    things = job.lease.cluster.declared()
    declared = things.pipeline(subject.name) if subject.kind == "pipeline" else things.template(subject.name)
    found = declared.version(subject.version) if declared else None
    if declared is None or found is None:
        raise Refused(
            f"version {subject.version} of {subject.kind} {subject.name} is not declared",
            because="indexes.toml does not have it",
            try_=f"[[{subject.kind}s.{subject.name}.versions]] number = {subject.version}",
            at=Location(job.migration.path),
        )
    return found if job.direction is Direction.UP else declared.before(subject.version)
