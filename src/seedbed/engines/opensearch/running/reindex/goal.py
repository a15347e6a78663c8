"""The goal of an index migration, determined before anything is changed, and what stands in its way."""

from __future__ import annotations

from msgspec import Struct

from seedbed.engines.kit.python_source import place_of
from seedbed.engines.opensearch.files.programs import MigrationSubject, subject_of
from seedbed.engines.opensearch.rules.versions import declaration
from seedbed.engines.opensearch.running.reindex.existing import ExistingIndex, find_behind
from seedbed.engines.opensearch.running.reindex.job import IndexJob
from seedbed.engines.opensearch.schema.changes import IndexChange, change
from seedbed.engines.opensearch.schema.shape import DeclaredIndex, IndexDefinition
from seedbed.errors import Hint, Location, Refused, call
from seedbed.model.migration import Direction, Migration, Work


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
    if subject.version and (declared is None or declared.version(subject.version) is None):
        raise _undeclared(job.migration, subject, declared)
    is_begun = job.revision.checkpoint is not None
    found = None if is_begun else obstacle(Work(job.migration, job.direction), current, declared)
    if found:
        raise found
    keep = declared.keep if declared else 1
    if not subject.version:
        definition = current.definition() if current else None
        return Goal(subject.name, current, definition, keep), definition
    assert declared is not None
    old, new = _way(declared, subject, job.direction)
    return Goal(subject.name, current, new, keep), old


def obstacle(work: Work, current: ExistingIndex | None, declared: DeclaredIndex | None) -> Refused | None:
    """Return why `work`, of which nothing is done yet, cannot set out from `current`; None if it can.

    What it leads to has to be declared.
    """
    migration, subject = work.migration, subject_of(work.migration)
    if not subject.version:
        return None if current else missing(migration, "its documents cannot be copied")
    assert declared is not None
    old, new = _way(declared, subject, work.direction)
    if current is None:
        return missing(migration, f"it would lead from version {old.number}") if old and new else None
    if old is None:
        return exists(migration, current)
    known = current.mark.get("version")
    if known is None or known in {old.number, new.number if new else None}:
        return None
    to = f"to version {new.number}" if new else "to nothing"
    return Refused(
        f"{migration.label} leads {subject.name} from version {old.number} {to}, and it is at version {known}",
        because=f"its index {current.name} says so: something else than these migrations made it",
        try_=Hint(call("status"), f" shows what is applied; GET /{subject.name}/_mapping, what is there"),
        at=place_of(migration, "version", str(subject.version)),
    )


def missing(migration: Migration, because: str) -> Refused:
    """Return the error for a migration that needs an index which does not exist."""
    subject = subject_of(migration)
    return Refused(
        f"{migration.label}: there is no index {subject.name}",
        because=because,
        try_=f"a migration before it creates the index: # seedbed: index={subject.name} version=NUMBER, its first one",
        at=place_of(migration, subject.kind, subject.name),
    )


def exists(migration: Migration, current: ExistingIndex) -> Refused:
    """Return the error for a migration that creates an index which exists."""
    subject = subject_of(migration)
    return Refused(
        f"{subject.name} exists already",
        because=f"{migration.label} creates it; its index is {current.name}",
        try_="remove that index if nothing needs it, or give the declared one another name",
        at=place_of(migration, subject.kind, subject.name),
    )


def _way(
    declared: DeclaredIndex, subject: MigrationSubject, direction: Direction
) -> tuple[IndexDefinition | None, IndexDefinition | None]:
    """Return the definitions that `subject` leads from and to in `direction`."""
    older, newer = declared.before(subject.version), declared.version(subject.version)
    return (older, newer) if direction is Direction.UP else (newer, older)


def _undeclared(migration: Migration, subject: MigrationSubject, declared: DeclaredIndex | None) -> Refused:
    return Refused(
        f"version {subject.version} of {subject.name} is not declared",
        because="indexes.toml does not have it" if declared else f"indexes.toml has no index {subject.name}",
        try_=declaration(subject, subject.version),
        at=Location(migration.path),
    )
