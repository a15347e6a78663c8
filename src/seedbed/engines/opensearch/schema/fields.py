"""The fields of a mapping, each by its path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

CHILDREN = ("properties", "fields")


class PlacedField(Struct, frozen=True):
    """A field of a mapping: its `path` ("author.name"), the `keys` that lead to it, and its definition."""

    path: str
    keys: tuple[str, ...]
    definition: Mapping[str, Any]

    @property
    def level(self) -> int:
        """How deep it lies, as OpenSearch counts: the fields at the top are level 1, and an object has one below it."""
        names = [
            name for key, name in zip(self.keys[::2], self.keys[1::2], strict=True) if key == "properties"
        ]
        return sum(name.count(".") + 1 for name in names) + ("properties" in self.definition)


def placed(mappings: Mapping[str, Any], before: PlacedField | None = None) -> Iterator[PlacedField]:
    """Yield every field, objects and sub-fields among them, parents first."""
    prefix, keys = (f"{before.path}.", before.keys) if before else ("", ())
    for key in CHILDREN:
        inner = mappings.get(key)
        for name, field in inner.items() if isinstance(inner, Mapping) else ():
            if isinstance(field, Mapping):
                found = PlacedField(f"{prefix}{name}", (*keys, key, name), field)
                yield found
                yield from placed(field, found)


def fields(mappings: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (path, definition) of every field, objects and sub-fields among them, parents first."""
    return ((each.path, each.definition) for each in placed(mappings))


def documented(mappings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (path, definition) of the fields that documents hold; sub-fields are derived from their parents."""
    inner = mappings.get("properties")
    for name, field in inner.items() if isinstance(inner, Mapping) else ():
        if isinstance(field, Mapping):
            path = f"{prefix}{name}"
            yield path, field
            yield from documented(field, f"{path}.")


def vectors(mappings: Mapping[str, Any]) -> frozenset[str]:
    """Return the paths of all vectors, whose numbers OpenSearch returns with 32 bits."""
    return frozenset(path for path, field in documented(mappings) if field.get("type") == "knn_vector")
