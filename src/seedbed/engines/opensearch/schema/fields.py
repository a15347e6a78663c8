"""The fields of a mapping, each by its path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CHILDREN = ("properties", "fields")


def fields(mappings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (path, definition) of every field, objects and sub-fields among them, parents first."""
    for key in CHILDREN:
        inner = mappings.get(key)
        for name, field in inner.items() if isinstance(inner, Mapping) else ():
            if isinstance(field, Mapping):
                path = f"{prefix}{name}"
                yield path, field
                yield from fields(field, f"{path}.")


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
