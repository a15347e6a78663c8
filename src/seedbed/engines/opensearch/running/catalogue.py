"""What a cluster holds besides documents: indexes, templates, pipelines, stored scripts; nothing of ours or its own.

What begins with a dot belongs to the server and its plugins, what begins with `migrations_history` to seedbed, and what
says of itself that it is managed to whoever manages it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from seedbed.engines.opensearch.store.history import is_ours
from seedbed.engines.opensearch.wire.errors import RequestFailed

if TYPE_CHECKING:
    from seedbed.engines.opensearch.place import Place

Body = Mapping[str, Any]
_NUMBERED = re.compile(r"(.+)-\d+")


class Kind(Struct, frozen=True):
    """One kind of thing that is found and deleted by its name: "/_ingest/pipeline/NAME"."""

    name: str
    plural: str
    path: str


INDEX_TEMPLATE = Kind("index template", "index templates", "/_index_template")
COMPONENT_TEMPLATE = Kind("component template", "component templates", "/_component_template")
LEGACY_TEMPLATE = Kind("template", "templates", "/_template")
INGEST_PIPELINE = Kind("ingest pipeline", "ingest pipelines", "/_ingest/pipeline")
SEARCH_PIPELINE = Kind("search pipeline", "search pipelines", "/_search/pipeline")
SCRIPT = Kind("stored script", "stored scripts", "/_scripts")
KINDS = (
    INDEX_TEMPLATE,
    COMPONENT_TEMPLATE,
    LEGACY_TEMPLATE,
    INGEST_PIPELINE,
    SEARCH_PIPELINE,
    SCRIPT,
)  # in an order in which they can be deleted


class Catalogue(Struct, frozen=True):
    """By name: physical indexes (aliases, mappings, settings), streams, and everything else by its kind."""

    indexes: Mapping[str, Body]
    streams: Sequence[str] = ()
    others: Mapping[Kind, Mapping[str, Body]] = field(default_factory=dict)


def catalogue(place: Place) -> Catalogue:
    """Return all that is there. Raises RequestFailed."""
    found = place.client.call("GET", "/_all", params={"expand_wildcards": "all"})
    indexes = {name: _with_their_aliases(name, body) for name, body in found.items() if _is_theirs(name)}
    if place.address.is_serverless:  # it has no others, and knows no way to ask for them
        return Catalogue(indexes)
    others = {
        INDEX_TEMPLATE: _listed(place, INDEX_TEMPLATE, "index_templates", "index_template"),
        COMPONENT_TEMPLATE: _listed(place, COMPONENT_TEMPLATE, "component_templates", "component_template"),
        LEGACY_TEMPLATE: _named(_asked(place, LEGACY_TEMPLATE.path)),
        INGEST_PIPELINE: _named(_asked(place, INGEST_PIPELINE.path)),
        SEARCH_PIPELINE: _named(_asked(place, SEARCH_PIPELINE.path)),
        SCRIPT: _scripts(place),
    }
    streams = [each["name"] for each in _asked(place, "/_data_stream").get("data_streams", ())]
    return Catalogue(indexes, streams, others)


def is_former(physical: str, indexes: Mapping[str, Body]) -> bool:
    """Return whether an index stood behind its alias once, and another one does now: it is kept for a while."""
    found = _NUMBERED.fullmatch(physical)
    return found is not None and any(
        found[1] in body.get("aliases", {}) for name, body in indexes.items() if name != physical
    )


def lasting_name(physical: str, body: Body) -> str:
    """Return what people call an index: `lessons` for `lessons-3` where that is its alias."""
    found = _NUMBERED.fullmatch(physical)
    return found[1] if found and found[1] in body.get("aliases", {}) else physical


def _is_theirs(name: str) -> bool:
    return not name.startswith(".") and not is_ours(name)


def _with_their_aliases(index: str, body: Body) -> Body:
    """Return `body` without the aliases of the history's fences, and of a passage from one index to the next."""
    ours = (f"{index}-reader-", f"{index}-writer-")
    aliases = body.get("aliases", {})
    theirs = {name: each for name, each in aliases.items() if not is_ours(name) and not name.startswith(ours)}
    return {**body, "aliases": theirs}


def _listed(place: Place, kind: Kind, list_: str, member: str) -> Mapping[str, Body]:
    return _named({each["name"]: each[member] for each in _asked(place, kind.path).get(list_, ())})


def _named(found: Mapping[str, Body]) -> Mapping[str, Body]:
    return {name: each for name, each in found.items() if _is_theirs(name) and not _is_managed(each)}


def _is_managed(body: Body) -> bool:
    meta = body.get("_meta")
    return isinstance(meta, Mapping) and bool(meta.get("managed"))


def _scripts(place: Place) -> Mapping[str, Body]:
    found = place.client.call(
        "GET", "/_cluster/state/metadata", params={"filter_path": "metadata.stored_scripts"}
    )
    return _named(found.get("metadata", {}).get("stored_scripts", {}))


def _asked(place: Place, path: str) -> Body:
    """Return the answer to GET; none of them is an answer too."""
    try:
        found: Body = place.client.call("GET", path)
    except RequestFailed as error:
        if error.status == 404:
            return {}
        raise
    return found
