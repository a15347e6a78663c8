"""What the sandbox's OpenSearch cannot do: it has no native libraries, and a vector that needs one ends the server.

The index of such a vector stays in the state of the cluster, so that the server could never start again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.files.programs import is_program, subject_of
from seedbed.engines.opensearch.files.requests import request
from seedbed.engines.opensearch.rules import registry
from seedbed.engines.opensearch.schema.shape import DeclaredIndexes
from seedbed.errors import Location, Refused
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Direction, Migration, Step, Work

_HAS = "lucene"  # the engine of vectors that needs no native library
_VECTOR = "knn_vector"


class NativeVector(Struct, frozen=True):
    """A vector that would end the server: its field, the engine that it names ("" for none), its request's line."""

    field: str
    engine: str
    line: int

    @property
    def what(self) -> str:
        if self.engine:
            return f"{self.field} has the engine {self.engine}, which the sandbox lacks"
        return f"{self.field} names no engine, and the default is one that the sandbox lacks"


def hazards(declared: DeclaredIndexes, migration: Migration) -> Iterator[Hazard]:
    """Yield the vectors of the up section of `migration` that the sandbox cannot have."""
    for each in _vectors(declared, migration, Direction.UP):
        yield registry.SANDBOX_LACKS.hazard(each.what, line=each.line)


def require_vectors(declared: DeclaredIndexes, works: Sequence[Work]) -> None:
    """Raise Refused, before anything is sent, if one of `works` has a vector that the sandbox cannot have."""
    for work in works:
        for each in _vectors(declared, work.migration, work.direction):
            raise Refused(
                f"{work.migration.label}: {each.what}",
                because=registry.SANDBOX_LACKS.why,
                try_=registry.SANDBOX_LACKS.instead,
                at=Location(work.migration.path, each.line),
            )


def _vectors(declared: DeclaredIndexes, migration: Migration, direction: Direction) -> Iterator[NativeVector]:
    if is_program(migration):
        yield from _native(_definition(declared, migration, direction), 1)
        return
    for step in migration.steps(direction):
        yield from _native(_body(step), step.line)


def _definition(declared: DeclaredIndexes, migration: Migration, direction: Direction) -> Any:
    """Return what `migration` leads to in `direction`; None where it has no definition of its own."""
    subject = subject_of(migration)
    if subject.kind == "template":
        template = declared.template(subject.name)
        version = template.version(subject.version) if template else None
        version = (
            version if direction is Direction.UP or template is None else template.before(subject.version)
        )
        return version.body if version else None
    index = declared.index(subject.name) if subject.kind == "index" else None
    if index is None or not subject.version:
        return None
    found = index.version(subject.version) if direction is Direction.UP else index.before(subject.version)
    return found.mappings if found else None


def _body(step: Step) -> Any:
    found = request(step.body, step.line)
    return None if found.is_bulk else found.json


def _native(value: Any, line: int, field: str = "") -> Iterator[NativeVector]:
    """Yield the vectors anywhere in `value` that do not name the engine without a native library."""
    if isinstance(value, list):
        for each in value:
            yield from _native(each, line, field)
    if not isinstance(value, Mapping):
        return
    if value.get("type") == _VECTOR:
        method = value.get("method")
        engine = str(method.get("engine", "")) if isinstance(method, Mapping) else ""
        if engine != _HAS:
            yield NativeVector(field, engine, line)
    for name, each in value.items():
        yield from _native(each, line, str(name))
