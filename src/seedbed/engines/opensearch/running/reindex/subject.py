"""What one index migration leads from and to, found out before anything is touched."""

from __future__ import annotations

from msgspec import Struct

from seedbed.engines.opensearch.files.programs import Subject
from seedbed.engines.opensearch.running.reindex.job import Job
from seedbed.engines.opensearch.running.reindex.live import Live, behind
from seedbed.engines.opensearch.schema.changes import Change, change
from seedbed.engines.opensearch.schema.shape import Definition, Index
from seedbed.errors import Location, Refused
from seedbed.model.migration import Direction


class Aim(Struct, frozen=True):
    """Where an index is to get. `definition` None: away with it. `keep`: former indexes that stay."""

    name: str
    present: Live | None
    definition: Definition | None
    keep: int = 1

    def change(self, old: Definition | None) -> Change | None:
        """Return what leads from `old` to the aim; None where either is nothing."""
        return change(old, self.definition) if old and self.definition else None


def aim(job: Job, subject: Subject) -> tuple[Aim, Definition | None]:
    """Return where `subject` is to get, and the definition that it has by now. Raises Refused."""
    present = behind(job.client, subject.name)
    declared = job.lease.place.declared().index(subject.name)
    if not subject.version:
        return _as_it_is(job, subject, present, declared)
    definition = _declared(job, subject, declared)
    assert declared is not None
    older = declared.before(subject.version)
    old, new = (older, definition) if job.direction is Direction.UP else (definition, older)
    if present is not None and job.revision.checkpoint is None:
        _require_version(job, subject, present, old, new)
    return Aim(subject.name, present, new, declared.keep), old


def _as_it_is(
    job: Job, subject: Subject, present: Live | None, declared: Index | None
) -> tuple[Aim, Definition | None]:
    """Return that the documents are transformed, and the definition stays."""
    if present is None:
        raise _refused(
            job, f"there is no index {subject.name}", "its documents cannot be transformed", "seedbed status"
        )
    definition = present.definition()
    return Aim(subject.name, present, definition, declared.keep if declared else 1), definition


def _declared(job: Job, subject: Subject, declared: Index | None) -> Definition:
    found = declared.version(subject.version) if declared else None
    if found is None:
        raise _refused(
            job,
            f"version {subject.version} of {subject.name} is not declared",
            "indexes.toml does not have it" if declared else f"indexes.toml has no index {subject.name}",
            f"[[indexes.{subject.name}.versions]] number = {subject.version}",
        )
    return found


def _require_version(
    job: Job, subject: Subject, present: Live, old: Definition | None, new: Definition | None
) -> None:
    """Refuse an index that seedbed knows to be of another version than the migration leads from."""
    known = present.mark.get("version")
    expected = old.number if old else None
    if known is None or known in {expected, new.number if new else None}:
        return
    leads = f"from version {expected}" if expected else "from nothing"
    raise _refused(
        job,
        f"{subject.name} is at version {known}",
        f"{job.migration.label} leads {leads} to {f'version {new.number}' if new else 'nothing'}",
        "migrate one version after the other",
    )


def _refused(job: Job, what: str, because: str, try_: str) -> Refused:
    return Refused(what, because=because, try_=try_, at=Location(job.migration.path))
