"""Migrations that can never run by what indexes.toml declares, and by the migrations before them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from seedbed.engines.kit.python_source import place_of
from seedbed.engines.opensearch.files.programs import subject_of
from seedbed.engines.opensearch.rules.versions import PLURALS, declaration, is_versioned, out_of_order
from seedbed.engines.opensearch.schema.shape import DeclaredIndexes
from seedbed.errors import MigrationFileError, SeedbedError, raise_errors
from seedbed.model.migration import Migration, Work
from seedbed.support.guess import guess


def require_declared(
    declared: DeclaredIndexes, works: Sequence[Work], applied: Callable[[], Iterable[Migration]] = tuple
) -> None:
    """Raise what is wrong with `works`: a version that is not declared, or not the next, or nowhere to go back to.

    `applied`: the migrations that are applied and stay so; not called where no version is in question.
    """
    versioned = [each for each in works if is_versioned(each.migration)]
    errors: list[SeedbedError] = [
        error for each in versioned for error in _undeclared(declared, each.migration)
    ]
    if versioned:
        errors += out_of_order(declared, works, applied())
    raise_errors(errors)


def _undeclared(declared: DeclaredIndexes, migration: Migration) -> Iterator[MigrationFileError]:
    subject = subject_of(migration)
    thing = declared.thing(subject.kind, subject.name)
    if thing is None:
        likely = guess(subject.name, [each.name for each in declared.of(subject.kind)])
        yield _error(
            migration,
            f"indexes.toml has no {subject.kind} {subject.name}",
            f"did you mean {likely}?"
            if likely
            else f"declare it: [[{PLURALS[subject.kind]}.{subject.name}.versions]]",
        )
    elif thing.version(subject.version) is None:
        numbers = ", ".join(str(each.number) for each in thing.versions)
        yield _error(
            migration,
            f"indexes.toml has version {numbers} of {subject.kind} {subject.name}",
            f"declare it: {declaration(subject, subject.version)}",
        )


def _error(migration: Migration, because: str, try_: str) -> MigrationFileError:
    subject = subject_of(migration)
    return MigrationFileError(
        f"{migration.label} leads to version {subject.version} of {subject.name}, which is not declared",
        because=because,
        try_=try_,
        at=place_of(migration, subject.kind, subject.name),
    )
