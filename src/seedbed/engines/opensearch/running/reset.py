"""Empty a cluster: every index, template, pipeline and stored script by its name, the history last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from seedbed.engines.opensearch.running.inspect import catalogue
from seedbed.engines.opensearch.schema.catalogue import KINDS, Catalogue
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.support.phrases import count

if TYPE_CHECKING:
    from seedbed.engines.opensearch.store.fenced_writer import FencedWriter

_MOST = 10_000  # indexes whose documents are counted
_BATCH = 20  # indexes deleted by one request: their names stand in its path


def reset(lease: FencedWriter) -> str:
    """Remove everything and return a summary. Raises LeaseLost, Interrupted, RequestFailed.

    The lease is confirmed before every delete. Neither wildcards nor objects of the server are deleted.
    """
    found = catalogue(lease.cluster)
    documents = _documents(lease)
    for name in found.streams:
        _delete(lease, f"/_data_stream/{quote(name, safe='')}")
    names = sorted(found.indexes)
    for first in range(0, len(names), _BATCH):
        _delete(lease, "/" + ",".join(quote(each, safe="") for each in names[first : first + _BATCH]))
    for kind in KINDS:
        for name in sorted(found.others.get(kind, ())):
            _delete(lease, f"{kind.path}/{quote(name, safe='')}")
    lease.confirm()
    lease.forget_all()
    return _summary(found, documents)


def _documents(lease: FencedWriter) -> dict[str, int]:
    """Return the number of documents in each index that has any, as searches see them: without nested objects."""
    params: dict[str, str | int | bool] = {"expand_wildcards": "all", "ignore_unavailable": True}
    body = {"size": 0, "aggs": {"each": {"terms": {"field": "_index", "size": _MOST}}}}
    client = lease.cluster.client
    found = client.call("POST", "/_all/_search", body, params=params, idempotent=True, shape=shapes.PerIndex)
    buckets = found.get("aggregations", {}).get("each", {}).get("buckets", [])
    return {each["key"]: each["doc_count"] for each in buckets}


def _delete(lease: FencedWriter, path: str) -> None:
    """Delete an object; a missing one is not an error."""
    lease.confirm()
    try:
        lease.cluster.client.call("DELETE", path, idempotent=True)
    except RequestFailed as error:
        if not error.is_missing:
            raise


def _summary(found: Catalogue, documents: dict[str, int]) -> str:
    filled = [f"{name}: {documents[name]}" for name in sorted(found.indexes) if documents.get(name)]
    parts = [count(len(found.indexes), "index", "indexes") + (f" ({', '.join(filled)})" if filled else "")]
    parts += [count(len(found.streams), "data stream")] if found.streams else []
    parts += [count(len(each), kind.name, kind.plural) for kind, each in found.others.items() if each]
    gone: Sequence[str] = parts if found.indexes else parts[1:]
    return f"{', '.join(gone)} and the history" if gone else "the history; there was nothing else"
