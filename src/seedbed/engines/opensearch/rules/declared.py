"""Migrations that can never run by what indexes.toml declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.engines.opensearch.files.programs import is_program, subject_of
from seedbed.engines.opensearch.schema.shape import DeclaredIndex, DeclaredIndexes, DeclaredResource
from seedbed.errors import Location, MigrationFileError, raise_errors
from seedbed.model.migration import Migration
from seedbed.support.guess import guess

_PLURALS = {"index": "indexes", "pipeline": "pipelines", "template": "templates"}  # in indexes.toml


def require_declared(declared: DeclaredIndexes, migrations: Sequence[Migration]) -> None:
    """Raise MigrationFileError for each of `migrations` that leads to a version which is not declared."""
    raise_errors(error for each in migrations if is_program(each) for error in _undeclared(declared, each))


def _undeclared(declared: DeclaredIndexes, migration: Migration) -> Iterator[MigrationFileError]:
    subject = subject_of(migration)
    if not subject.version:  # it transforms the documents of whatever is there
        return
    known: dict[str, Sequence[DeclaredIndex | DeclaredResource]] = {
        "index": declared.indexes,
        "pipeline": declared.pipelines,
        "template": declared.templates,
    }
    things = known[subject.kind]
    thing = next((each for each in things if each.name == subject.name), None)
    if thing is None:
        likely = guess(subject.name, [each.name for each in things])
        yield _error(
            migration,
            f"indexes.toml has no {subject.kind} {subject.name}",
            f"did you mean {likely}?"
            if likely
            else f"declare it: [[{_PLURALS[subject.kind]}.{subject.name}.versions]]",
        )
    elif thing.version(subject.version) is None:
        numbers = ", ".join(str(each.number) for each in thing.versions)
        yield _error(
            migration,
            f"indexes.toml has version {numbers} of {subject.kind} {subject.name}",
            f"declare it: [[{_PLURALS[subject.kind]}.{subject.name}.versions]] number = {subject.version}",
        )


def _error(migration: Migration, because: str, try_: str) -> MigrationFileError:
    subject = subject_of(migration)
    lines = migration.up[0].body.splitlines()
    line = next(
        (number for number, each in enumerate(lines, 1) if f"{subject.kind}={subject.name}" in each), 0
    )
    return MigrationFileError(
        f"{migration.label} leads to version {subject.version} of {subject.name}, which is not declared",
        because=because,
        try_=try_,
        at=Location(migration.path, line),
    )
