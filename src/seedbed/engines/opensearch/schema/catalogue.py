"""What a cluster holds besides documents: indexes, templates, pipelines, stored scripts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

Body = Mapping[str, Any]
_NUMBERED = re.compile(r"(.+)-\d+")


class ObjectKind(Struct, frozen=True):
    """One kind of object that is found and deleted by its name: "/_ingest/pipeline/NAME"."""

    name: str
    plural: str
    path: str


INDEX_TEMPLATE = ObjectKind("index template", "index templates", "/_index_template")
COMPONENT_TEMPLATE = ObjectKind("component template", "component templates", "/_component_template")
LEGACY_TEMPLATE = ObjectKind("template", "templates", "/_template")
INGEST_PIPELINE = ObjectKind("ingest pipeline", "ingest pipelines", "/_ingest/pipeline")
SEARCH_PIPELINE = ObjectKind("search pipeline", "search pipelines", "/_search/pipeline")
SCRIPT = ObjectKind("stored script", "stored scripts", "/_scripts")
KINDS = (
    INDEX_TEMPLATE,
    COMPONENT_TEMPLATE,
    LEGACY_TEMPLATE,
    INGEST_PIPELINE,
    SEARCH_PIPELINE,
    SCRIPT,
)  # in an order in which they can be deleted


class Catalogue(Struct, frozen=True):
    """By name: physical indexes (aliases, mappings, settings), data streams, and everything else by its kind."""

    indexes: Mapping[str, Body]
    streams: Sequence[str] = ()
    others: Mapping[ObjectKind, Mapping[str, Body]] = field(default_factory=dict)


def is_former(physical: str, indexes: Mapping[str, Body]) -> bool:
    """Return whether another index is behind the alias of `physical` now: a former one is kept for a while."""
    found = _NUMBERED.fullmatch(physical)
    return found is not None and any(
        found[1] in body.get("aliases", {}) for name, body in indexes.items() if name != physical
    )


def lasting_name(physical: str, body: Body) -> str:
    """Return the alias of an index that is numbered after it: `lessons` for `lessons-3`; else its name."""
    found = _NUMBERED.fullmatch(physical)
    return found[1] if found and found[1] in body.get("aliases", {}) else physical
