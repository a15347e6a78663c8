"""What migrations reach beyond their own environment on a domain that several share. Pure.

The judge is what translates requests when they leave: what it would not send is found here before anything is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from seedbed.engines.opensearch.files.programs import is_program, subject_of
from seedbed.engines.opensearch.files.requests import request
from seedbed.engines.opensearch.prefix import bodies
from seedbed.engines.opensearch.prefix.names import Beyond, Names, prefix_of
from seedbed.engines.opensearch.prefix.translator import sent
from seedbed.engines.opensearch.rules import registry
from seedbed.engines.opensearch.schema.shape import DeclaredIndexes, IndexDefinition
from seedbed.errors import Location
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Direction, Migration, Step

_ANY = prefix_of(
    "dev", "service"
)  # what a request reaches does not depend on whose it is, but for long names
_CHANGES = {"pipeline": bodies.processors, "template": bodies.template}


def sharing_hazards(migration: Migration) -> Sequence[Hazard]:
    """Return what the requests of `migration`'s up section reach beyond their environment."""
    return [_hazard(each) for each in _beyond(Names(_ANY), migration, migration.up)]


def declared_hazards(prefix: str, declared: DeclaredIndexes, migration: Migration) -> Iterator[Hazard]:
    """Yield what the definition that `migration` leads to reaches beyond `prefix`."""
    for each in _beyond_declared(Names(prefix), declared, migration):
        yield _hazard(each)


def beyond(
    prefix: str, declared: Callable[[], DeclaredIndexes], migration: Migration, direction: Direction
) -> Iterator[Beyond]:
    """Yield why `migration` is not carried out in `direction` below `prefix`, each with its place."""
    if is_program(migration):
        yield from _beyond_declared(Names(prefix), declared(), migration)
    else:
        yield from _beyond(Names(prefix), migration, migration.steps(direction))


def _hazard(found: Beyond) -> Hazard:
    line = found.at.line if found.at else 0
    return registry.REACHES_BEYOND.hazard(found.what, because=found.because, try_=found.try_, line=line)


def _beyond(names: Names, migration: Migration, steps: Sequence[Step]) -> Iterator[Beyond]:
    if is_program(migration):
        return
    for step in steps:
        found = request(step.body, step.line)
        try:
            sent(names, found.path, found.body, params=found.params, headers=found.headers)
        except Beyond as error:
            yield _at(error, migration, found.line)


def _beyond_declared(names: Names, declared: DeclaredIndexes, migration: Migration) -> Iterator[Beyond]:
    if not is_program(migration):
        return
    subject = subject_of(migration)
    thing = declared.thing(subject.kind, subject.name)
    version = thing.version(subject.version) if thing else None
    try:
        names.outside(subject.name)
        if version is None:
            return
        if isinstance(version, IndexDefinition):
            bodies.create({"settings": dict(version.settings)}, names.outside)
        else:
            _CHANGES[subject.kind](version.body, names.outside)
    except Beyond as error:
        yield _at(error, migration, 1)


def _at(error: Beyond, migration: Migration, line: int) -> Beyond:
    return Beyond(
        f"{migration.label}: {error.what}",
        because=error.because,
        try_=error.try_,
        at=Location(migration.path, line),
    )
