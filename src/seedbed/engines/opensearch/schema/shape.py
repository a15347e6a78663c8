"""What indexes.toml declares: indexes, pipelines and templates, each with its numbered definitions."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from seedbed.engines.opensearch.schema.settings import flat

_encode = msgspec.json.Encoder(order="sorted").encode


class Definition(Struct, frozen=True):
    """One version of an index. `settings` are flat, without `index.`; `mappings` as OpenSearch takes them."""

    number: int
    settings: Mapping[str, Any]
    mappings: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """What tells two definitions of one number apart: hex, 16 characters."""
        return sha256(_encode([self.settings, self.mappings])).hexdigest()[:16]


class Index(Struct, frozen=True):
    """An index: the alias that applications use. `keep`: how many former physical indexes stay after a change."""

    name: str
    versions: tuple[Definition, ...]
    keep: int = 1

    def version(self, number: int) -> Definition | None:
        return next((each for each in self.versions if each.number == number), None)

    def before(self, number: int) -> Definition | None:
        """Return the definition that `number` follows; None for the first."""
        older = [each for each in self.versions if each.number < number]
        return older[-1] if older else None


class Body(Struct, frozen=True):
    """One version of a pipeline or a template, as OpenSearch takes it."""

    number: int
    body: Mapping[str, Any]


class Named(Struct, frozen=True):
    """A pipeline or a template."""

    name: str
    versions: tuple[Body, ...]

    def version(self, number: int) -> Body | None:
        return next((each for each in self.versions if each.number == number), None)

    def before(self, number: int) -> Body | None:
        older = [each for each in self.versions if each.number < number]
        return older[-1] if older else None


class Indexes(Struct, frozen=True):
    """All that one database declares, by name."""

    indexes: tuple[Index, ...] = ()
    pipelines: tuple[Named, ...] = ()
    templates: tuple[Named, ...] = ()

    def index(self, name: str) -> Index | None:
        return next((each for each in self.indexes if each.name == name), None)

    def pipeline(self, name: str) -> Named | None:
        return next((each for each in self.pipelines if each.name == name), None)

    def template(self, name: str) -> Named | None:
        return next((each for each in self.templates if each.name == name), None)


def definition(number: int, settings: Mapping[str, Any], mappings: Mapping[str, Any]) -> Definition:
    """Return the definition that `settings`, nested or flat, and `mappings` make."""
    return Definition(number, flat(settings), dict(mappings))
