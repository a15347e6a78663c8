"""The catalogue of a cluster, read from it.

Names that begin with a dot belong to the server and its plugins, those that begin with `migrations_history` to seedbed,
and what is marked as managed to whatever manages it: none of these is in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seedbed.engines.opensearch.schema.catalogue import (
    COMPONENT_TEMPLATE,
    INDEX_TEMPLATE,
    INGEST_PIPELINE,
    LEGACY_TEMPLATE,
    SCRIPT,
    SEARCH_PIPELINE,
    Body,
    Catalogue,
    ObjectKind,
)
from seedbed.engines.opensearch.schema.names import is_before, is_reserved
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.errors import RequestFailed

if TYPE_CHECKING:
    from seedbed.engines.opensearch.cluster import Cluster


def catalogue(cluster: Cluster) -> Catalogue:
    """Return all that is there. Raises RequestFailed."""
    found = cluster.client.call("GET", "/_all", params={"expand_wildcards": "all"}, shape=shapes.Indexes)
    indexes = {name: _with_their_aliases(name, body) for name, body in found.items() if _is_theirs(name)}
    if cluster.address.is_serverless:  # it has no others, and knows no way to ask for them
        return Catalogue(indexes)
    others = {
        INDEX_TEMPLATE: _listed(cluster, INDEX_TEMPLATE, "index_templates", "index_template"),
        COMPONENT_TEMPLATE: _listed(cluster, COMPONENT_TEMPLATE, "component_templates", "component_template"),
        LEGACY_TEMPLATE: _named(_asked(cluster, LEGACY_TEMPLATE.path, shapes.Objects)),
        INGEST_PIPELINE: _named(_asked(cluster, INGEST_PIPELINE.path, shapes.Objects)),
        SEARCH_PIPELINE: _named(_asked(cluster, SEARCH_PIPELINE.path, shapes.Objects)),
        SCRIPT: _scripts(cluster),
    }
    streams = [
        each["name"] for each in _asked(cluster, "/_data_stream", shapes.Streams).get("data_streams", ())
    ]
    return Catalogue(indexes, streams, others)


def _is_theirs(name: str) -> bool:
    return not name.startswith(".") and not is_reserved(name)


def _with_their_aliases(index: str, body: Body) -> Body:
    """Return `body` without aliases of ours: of the history's fence, of a reindex, of what a copy has the place of."""
    ours = (f"{index}-reader-", f"{index}-writer-")
    aliases = body.get("aliases") or {}
    theirs = {
        name: each
        for name, each in aliases.items()
        if not is_reserved(name) and not is_before(name) and not name.startswith(ours)
    }
    return {**body, "aliases": theirs}


def _listed(cluster: Cluster, kind: ObjectKind, list_: str, member: str) -> Mapping[str, Body]:
    found = _asked(cluster, kind.path, shapes.Templates)
    return _named({each["name"]: each[member] for each in found.get(list_, ())})


def _named(found: Mapping[str, Body]) -> Mapping[str, Body]:
    return {name: each for name, each in found.items() if _is_theirs(name) and not _is_managed(each)}


def _is_managed(body: Body) -> bool:
    meta = body.get("_meta")
    return isinstance(meta, Mapping) and bool(meta.get("managed"))


def _scripts(cluster: Cluster) -> Mapping[str, Body]:
    found = cluster.client.call(
        "GET",
        "/_cluster/state/metadata",
        params={"filter_path": "metadata.stored_scripts"},
        shape=shapes.Scripts,
    )
    return _named(found.get("metadata", {}).get("stored_scripts", {}))


def _asked(cluster: Cluster, path: str, shape: Any) -> Body:
    """Return the answer to GET; none of them is an answer too."""
    try:
        found: Body = cluster.client.call("GET", path, shape=shape)
    except RequestFailed as error:
        if error.status == 404:
            return {}
        raise
    return found
