"""The goal of an index migration, determined before anything is changed."""

from __future__ import annotations

from msgspec import Struct

from seedbed.engines.opensearch.files.programs import MigrationSubject
from seedbed.engines.opensearch.running.reindex.existing import ExistingIndex, find_behind
from seedbed.engines.opensearch.running.reindex.job import IndexJob
from seedbed.engines.opensearch.schema.changes import IndexChange, change
from seedbed.engines.opensearch.schema.shape import DeclaredIndex, IndexDefinition
from seedbed.errors import Hint, Location, Refused, call
from seedbed.model.migration import Direction


class Goal(Struct, frozen=True):
    """The index that a migration leads to. `definition` None: it is removed. `keep`: former indexes that stay."""

    name: str
    current: ExistingIndex | None
    definition: IndexDefinition | None
    keep: int = 1

    def change(self, old: IndexDefinition | None) -> IndexChange | None:
        """Return the change from `old` to the goal; None if either is missing."""
        return change(old, self.definition) if old and self.definition else None


def goal_of(job: IndexJob, subject: MigrationSubject) -> tuple[Goal, IndexDefinition | None]:
    """Return the goal for `subject`, and the definition that it has now. Raises Refused."""
    current = find_behind(job.client, subject.name)
    declared = job.lease.cluster.declared().index(subject.name)
    if not subject.version:
        return _unchanged(job, subject, current, declared)
    definition = _declared(job, subject, declared)
    assert declared is not None
    older = declared.before(subject.version)
    old, new = (older, definition) if job.direction is Direction.UP else (definition, older)
    if current is not None and job.revision.checkpoint is None:
        _require_version(job, subject, current, old, new)
    return Goal(subject.name, current, new, declared.keep), old


def _unchanged(
    job: IndexJob, subject: MigrationSubject, current: ExistingIndex | None, declared: DeclaredIndex | None
) -> tuple[Goal, IndexDefinition | None]:
    """Return the goal of a migration that transforms documents and keeps the definition."""
    if current is None:
        raise _refused(
            job,
            f"there is no index {subject.name}",
            "its documents cannot be transformed",
            Hint(call("status"), " shows what is applied"),
        )
    definition = current.definition()
    return Goal(subject.name, current, definition, declared.keep if declared else 1), definition


def _declared(job: IndexJob, subject: MigrationSubject, declared: DeclaredIndex | None) -> IndexDefinition:
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
    job: IndexJob,
    subject: MigrationSubject,
    current: ExistingIndex,
    old: IndexDefinition | None,
    new: IndexDefinition | None,
) -> None:
    """Raise Refused if the index is recorded at another version than the migration starts from."""
    known = current.mark.get("version")
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


def _refused(job: IndexJob, what: str, because: str, try_: str) -> Refused:
    return Refused(what, because=because, try_=try_, at=Location(job.migration.path))
