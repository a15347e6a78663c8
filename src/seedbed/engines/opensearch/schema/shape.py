"""The contents of indexes.toml: indexes, pipelines and templates, each with numbered definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from seedbed.engines.opensearch.schema.settings import flat

_encode = msgspec.json.Encoder(order="sorted").encode


class IndexDefinition(Struct, frozen=True):
    """One version of an index. `settings` are flat, without `index.`; `mappings` as in the REST API."""

    number: int
    settings: Mapping[str, Any]
    mappings: Mapping[str, Any]

    @property
    def is_strict(self) -> bool:
        """Whether a document with a field that is not declared is refused."""
        return str(self.mappings.get("dynamic", "true")).lower() == "strict"

    @property
    def digest(self) -> str:
        """Distinguishes two definitions of one number: hex, 16 characters."""
        return sha256(_encode([self.settings, self.mappings])).hexdigest()[:16]


class ResourceVersion(Struct, frozen=True):
    """One version of a pipeline or a template, as in the REST API."""

    number: int
    body: Mapping[str, Any]


V = TypeVar("V", IndexDefinition, ResourceVersion)


class Versioned(Struct, Generic[V], frozen=True):
    """Something with a name, and its definitions, oldest first. Migrations lead from one to the next, and back."""

    name: str
    versions: tuple[V, ...]

    def version(self, number: int) -> V | None:
        return next((each for each in self.versions if each.number == number), None)

    def before(self, number: int) -> V | None:
        """Return the definition that `number` follows; None for the first."""
        older = [each for each in self.versions if each.number < number]
        return older[-1] if older else None

    def after(self, number: int) -> V | None:
        """Return the definition that follows `number`; None for the last."""
        return next((each for each in self.versions if each.number > number), None)


class DeclaredIndex(Versioned[IndexDefinition], frozen=True):
    """An index: the alias that applications use. `keep`: how many former physical indexes stay after a change."""

    keep: int = 1


class DeclaredResource(Versioned[ResourceVersion], frozen=True):
    """A pipeline or a template."""


class DeclaredIndexes(Struct, frozen=True):
    """All that one database declares, by name."""

    indexes: tuple[DeclaredIndex, ...] = ()
    pipelines: tuple[DeclaredResource, ...] = ()
    templates: tuple[DeclaredResource, ...] = ()

    def of(self, kind: str) -> Sequence[DeclaredIndex | DeclaredResource]:
        """Return all of one kind, as the directive of a migration names it: index, pipeline or template."""
        if kind == "index":
            return self.indexes
        return self.pipelines if kind == "pipeline" else self.templates

    def thing(self, kind: str, name: str) -> DeclaredIndex | DeclaredResource | None:
        return next((each for each in self.of(kind) if each.name == name), None)

    def index(self, name: str) -> DeclaredIndex | None:
        return next((each for each in self.indexes if each.name == name), None)

    def pipeline(self, name: str) -> DeclaredResource | None:
        return next((each for each in self.pipelines if each.name == name), None)

    def template(self, name: str) -> DeclaredResource | None:
        return next((each for each in self.templates if each.name == name), None)


def definition(number: int, settings: Mapping[str, Any], mappings: Mapping[str, Any]) -> IndexDefinition:
    """Return the definition with `settings`, nested or flat, and `mappings`."""
    return IndexDefinition(number, flat(settings), dict(mappings))
