"""How often indexes were searched, read and written, as each copy of each shard counts; statistics alone are read.

A copy counts from the moment at which its node took it up. A restart, a closed index, a copy that moved or was made
anew begins another counting, and has another recovery.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from seedbed.engines.opensearch.rest import path
from seedbed.engines.opensearch.rules.gone import ALIAS, FIELD, FIELDS, INDEX, STREAM
from seedbed.engines.opensearch.running.reindex.existing import HIDDEN, look
from seedbed.engines.opensearch.running.reindex.run_aliases import is_run_alias
from seedbed.engines.opensearch.schema.names import is_reserved
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.model.usage import Counter, Removed, Usage
from seedbed.support.phrases import count, listed

if TYPE_CHECKING:
    from seedbed.engines.opensearch.cluster import Cluster
    from seedbed.engines.opensearch.wire.client import Client

_COUNTED: Mapping[str, tuple[str, ...]] = {  # a search is one for each shard that it reaches
    "search": ("query_total", "suggest_total", "scroll_total", "point_in_time_total"),
    "get": ("total",),
    "indexing": ("index_total", "delete_total"),
}
_UNKNOWN_KIND = "nothing counts who uses that"


def usage(cluster: Cluster, removed: Sequence[Removed]) -> Usage:
    """Return a counter for each of `removed`. Raises RequestFailed."""
    if cluster.address.is_serverless:
        blind = "OpenSearch Serverless tells nothing of the searches of an index"
        return Usage(tuple(Counter(each, blind=blind) for each in removed))
    aliases = {each.path[-1] for each in removed if each.kind == ALIAS}
    return Usage(tuple(_counter(cluster.client, each, aliases) for each in removed))


def _counter(client: Client, removed: Removed, aliases: set[str]) -> Counter:
    match removed.kind:
        case kind if kind in {INDEX, STREAM}:
            return _of_index(client, removed, removed.path[-1], aliases)
        case kind if kind == ALIAS:
            return _behind(client, removed, removed.path[-1])
        case kind if kind in {FIELD, FIELDS}:
            return _behind(client, removed, removed.path[0])
        case _:
            return Counter(removed, blind=_UNKNOWN_KIND)


def _of_index(client: Client, removed: Removed, name: str, aliases: set[str]) -> Counter:
    found = _counted(client, removed, name)
    if found.blind:
        return found
    still = sorted(_aliases(client, name) - aliases)
    if not still:
        return found
    blind = f"{listed(still)} still {'leads' if len(still) == 1 else 'lead'} to it"
    return Counter(removed, found.uses, 0, found.since, blind, found.now)


def _aliases(client: Client, name: str) -> set[str]:
    return {
        alias
        for each in look(client, name)
        for alias in each.aliases
        if not is_reserved(alias) and not is_run_alias(alias)
    }


def _behind(client: Client, removed: Removed, name: str) -> Counter:
    """Count what may be uses: of an alias or a field nothing is counted but what its indexes are asked."""
    found = _counted(client, removed, name)
    return Counter(removed, 0, found.uses, found.since, found.blind)


def _counted(client: Client, removed: Removed, name: str) -> Counter:
    try:
        before = _countings(client, name)
        answer = client.call(
            "GET",
            path(name, "_stats", ",".join(_COUNTED)),
            params={"level": "shards", **HIDDEN},
            shape=shapes.UsedShards,
        )
        after = _countings(client, name)
    except RequestFailed as error:
        if error.is_missing:
            return Counter(removed, blind="it is not there")
        if error.status in {
            400,
            401,
            403,
            405,
        }:  # a closed one; what a login may not, or a domain does not know
            return Counter(removed, blind=f"the cluster does not tell how often it is used: {error.because}")
        raise
    copies = [
        copy for index in answer["indices"].values() for each in index["shards"].values() for copy in each
    ]
    blind = ""
    if answer["_shards"]["failed"] or before != after or len(copies) != len(after):
        blind = "not every copy of its shards tells"  # one is moving, or its node is gone
    uses = sum(
        int(copy.get(part, {}).get(each, 0))
        for copy in copies
        for part, of in _COUNTED.items()
        for each in of
    )
    return Counter(removed, uses, 0, _digest(after), blind, _now(copies))


def _countings(client: Client, name: str) -> list[str]:
    """Return what tells one counting from another, for each copy that there is."""
    found: Mapping[str, Any] = client.call(
        "GET", path(name, "_recovery"), params=HIDDEN, shape=shapes.Recoveries
    )
    return sorted(_recovered(found))


def _recovered(found: Mapping[str, Any]) -> Iterator[str]:
    for index, each in found.items():
        for copy in each["shards"]:
            where = copy.get("target", {}).get("id", "")
            yield json.dumps([index, copy["id"], where, copy["start_time_in_millis"]])


def _digest(countings: Sequence[str]) -> str:
    return sha256("\n".join(countings).encode()).hexdigest()[:16]


def _now(copies: Sequence[Mapping[str, Any]]) -> str:
    """Return how many searches, scrolls and points in time are open, of the shard that has the most."""
    most = max((int(each.get("search", {}).get("open_contexts", 0)) for each in copies), default=0)
    return f"{count(most, 'search context')} {'is' if most == 1 else 'are'} open" if most else ""
