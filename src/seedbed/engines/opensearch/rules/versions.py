"""Versions in order: each migration leads from the one that is declared before its own, and a revert back to it.

So the files say which version an index, pipeline or template has at any moment, without a server. A migration without
`version=` leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from seedbed.engines.kit.python_source import place_of
from seedbed.engines.opensearch.files.programs import KINDS, MigrationSubject, is_program, subject_of
from seedbed.engines.opensearch.schema.shape import DeclaredIndex, DeclaredIndexes, DeclaredResource
from seedbed.errors import Irreversible, MigrationFileError, SeedbedError
from seedbed.model.migration import Direction, Migration, Work
from seedbed.support.phrases import listed

PLURALS = {"index": "indexes", "pipeline": "pipelines", "template": "templates"}  # in indexes.toml
FORWARD = "write a migration that goes forward to where you want to be"


def out_of_order(
    declared: DeclaredIndexes, works: Sequence[Work], applied: Iterable[Migration]
) -> Iterator[SeedbedError]:
    """Yield an error for each of `works` that would not find the version which is declared before its own.

    `applied`: the migrations that are applied and stay so. All works go in one direction, in their order.
    """
    led = _led(applied)
    is_up = not works or works[0].direction is Direction.UP
    for work in works if is_up else reversed(works):  # to go back, the last one first, is to go up in reverse
        migration = work.migration
        if not is_versioned(migration):
            continue
        subject = subject_of(migration)
        by = led.get((subject.kind, subject.name))
        thing = declared.thing(subject.kind, subject.name)
        if thing is None or thing.version(subject.version) is None:
            continue
        if by is not None:
            yield from _skipped(thing, migration, by) if is_up else _no_way_back(thing, migration, by)
        if by is None or _number(by) < subject.version:
            led[subject.kind, subject.name] = migration


def not_led_to(declared: DeclaredIndexes, migrations: Iterable[Migration]) -> Iterator[str]:
    """Yield the directives for the next version of whatever has one declared to which none of `migrations` leads.

    Indexes come last: they name pipelines.
    """
    led = _led(migrations)
    for kind in reversed(KINDS):
        for thing in declared.of(kind):
            by = led.get((kind, thing.name))
            if following := thing.after(_number(by) if by else 0):
                yield f"{kind}={thing.name} version={following.number}"


def is_versioned(migration: Migration) -> bool:
    """Return whether `migration` leads something to a version."""
    return is_program(migration) and subject_of(migration).version > 0


def declaration(subject: MigrationSubject, number: int) -> str:
    """Return what to write into indexes.toml for another version."""
    return f"[[{PLURALS[subject.kind]}.{subject.name}.versions]] number = {number}"


def _led(applied: Iterable[Migration]) -> dict[tuple[str, str], Migration]:
    """Return, by kind and name, which of `applied` led it furthest."""
    found: dict[tuple[str, str], Migration] = {}
    for migration in applied:
        if is_versioned(migration):
            subject = subject_of(migration)
            thing = subject.kind, subject.name
            if thing not in found or _number(found[thing]) < subject.version:
                found[thing] = migration
    return found


def _number(migration: Migration) -> int:
    return subject_of(migration).version


def _is_next(thing: DeclaredIndex | DeclaredResource, subject: MigrationSubject, found: int) -> bool:
    """Return whether `subject` leads `thing` from version `found` to the one after it."""
    before = thing.before(subject.version)
    return before is not None and before.number == found


def _skipped(
    thing: DeclaredIndex | DeclaredResource, migration: Migration, by: Migration
) -> Iterator[SeedbedError]:
    subject, found = subject_of(migration), _number(by)
    if _is_next(thing, subject, found):
        return
    then = "which it has already" if subject.version == found else f"and it is at version {found}"
    what = f"{migration.label} leads {thing.name} to version {subject.version}, {then}"
    because = f"{by.label} leads it there"
    if subject.version > found:
        between = [str(each.number) for each in thing.versions if found < each.number < subject.version]
        because += (
            f", and indexes.toml has version {listed(between)} in between"
            if between
            else f", and indexes.toml does not have version {found} any more"
        )
    yield MigrationFileError(
        what,
        because=because,
        try_=_next(thing, subject, found),
        at=place_of(migration, "version", str(subject.version)),
    )


def _next(thing: DeclaredIndex | DeclaredResource, subject: MigrationSubject, found: int) -> str:
    """Return what to write where `thing` is at version `found`."""
    if thing.version(found) is None:
        return f"declare it again: {declaration(subject, found)}"
    following = thing.after(found)
    to = (
        f"# seedbed: {subject.kind}={thing.name} version={following.number}"
        if following
        else f"declare the next one: {declaration(subject, found + 1)}"
    )
    if subject.kind == "index" and subject.version == found:
        to += f"; or # seedbed: index={thing.name} rebuild, for a new index of version {found}"
    return to


def _no_way_back(
    thing: DeclaredIndex | DeclaredResource, migration: Migration, by: Migration
) -> Iterator[SeedbedError]:
    subject, found = subject_of(migration), _number(by)
    if _is_next(thing, subject, found):
        return
    before = thing.before(subject.version)
    is_gone = thing.version(found) is None
    goes = f"go to version {before.number}" if before else f"remove {thing.name}"
    yield Irreversible(
        f"{migration.label} cannot be reverted",
        because=f"it came from version {found} of {thing.name}, where {by.label} leads"
        + (", and indexes.toml does not have it any more" if is_gone else f", and a revert would {goes}"),
        try_=f"declare it again: {declaration(subject, found)}" if is_gone else FORWARD,
        at=place_of(migration, "version", str(subject.version)),
    )
