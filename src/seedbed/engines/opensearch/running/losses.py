"""How many documents reverts would remove, counted by the cluster; nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec.structs import replace

from seedbed.engines.opensearch.files.programs import SUFFIX, subject_of
from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.files.requests import request
from seedbed.engines.opensearch.rules.reach import deletes_documents, removed_indexes
from seedbed.engines.opensearch.schema.changes import change, taken_out
from seedbed.engines.opensearch.schema.fields import documented
from seedbed.engines.opensearch.wire import shapes
from seedbed.engines.opensearch.wire.errors import RequestFailed
from seedbed.model.migration import Direction
from seedbed.model.plan import Certainty, Loss

if TYPE_CHECKING:
    from seedbed.engines.opensearch.cluster import Cluster
    from seedbed.model.migration import Migration, Work

_UNIT = "document"


def losses(cluster: Cluster, works: Sequence[Work]) -> list[Loss]:
    """Return what `works` would remove. Raises RequestFailed."""
    found: list[Loss] = []
    for work in works:
        migration = work.migration
        if migration.path.endswith(SUFFIX):
            found += _of_index(cluster, migration)
            continue
        for step in migration.steps(work.direction):
            found += _of_request(cluster, migration.version, request(step.body, step.line))
    return found


def _of_index(cluster: Cluster, migration: Migration) -> Iterator[Loss]:
    """Yield the documents of an index whose first version is reverted, and fields that are taken out of documents."""
    subject = subject_of(migration)
    if subject.kind != "index" or not subject.version:
        return
    declared = cluster.declared().index(subject.name)
    newer = declared.version(subject.version) if declared else None
    if declared is None or newer is None:
        return
    older = declared.before(subject.version)
    if older is None:  # then the index goes
        yield from _counted(cluster, migration.version, subject.name)
    elif "function" not in migration.settings:
        known = dict(documented(newer.mappings))
        for path in taken_out(change(newer, older), older, Direction.DOWN):
            yield from _of_field(cluster, migration.version, subject.name, path, known[path])


def _of_field(
    cluster: Cluster, version: str, index: str, path: str, definition: Mapping[str, Any]
) -> Iterator[Loss]:
    """Yield how many documents of `index` have the field `path`; at most all of them where a query cannot tell."""
    can_tell = _can_be_asked_for(definition)
    query = {"query": {"exists": {"field": path}}} if can_tell else None
    for each in _counted(cluster, version, index, query, is_all=can_tell):
        yield replace(each, what=f"field {path} of index {index}")


def _can_be_asked_for(definition: Mapping[str, Any]) -> bool:
    """Return whether the query `exists` finds a field: not inside nested documents, and not what is only stored."""
    inner = definition.get("properties") or {}
    if definition.get("type") == "nested" or definition.get("enabled") is False:
        return False
    if definition.get("index") is False and definition.get("doc_values") is not True:
        return False
    return all(_can_be_asked_for(each) for each in inner.values())


def _of_request(cluster: Cluster, version: str, found: Request) -> Iterator[Loss]:
    if found.is_bulk:
        removed = sum(1 for each in found.lines if isinstance(each, dict) and "delete" in each)
        if removed:
            yield Loss(version, str(found), removed, unit=_UNIT)
    elif deletes_documents(found):
        yield from _counted(
            cluster, version, found.index, found.json, is_all="script" not in (found.json or {})
        )
    elif found.method == "DELETE" and found.operation in {"_doc", "_create"}:
        yield Loss(version, str(found), 1, unit=_UNIT)
    elif names := list(removed_indexes(found)):
        for name in names:
            yield from _counted(cluster, version, name)
    elif found.method == "DELETE" and found.operation == "_data_stream":
        yield from _counted(cluster, version, found.segments[-1])


def _counted(
    cluster: Cluster, version: str, names: str, body: Any = None, *, is_all: bool = True
) -> Iterator[Loss]:
    """Yield how many documents of `names` the query of `body` finds; not `is_all`: a script chooses among them."""
    query = {"query": body["query"]} if isinstance(body, dict) and "query" in body else None
    what = f"index {names}" if query is None else f"index {names}, {json.dumps(query)}"
    try:
        answer = cluster.client.call("GET", f"/{quote(names, safe=',*')}/_count", query, shape=shapes.Count)
    except RequestFailed as error:
        if error.is_missing:
            return
        if error.status == 400:  # a query that the cluster does not take as it stands
            yield Loss(version, what, None, unit=_UNIT)
            return
        raise
    if answer["count"]:
        certainty = Certainty.EXACT if is_all else Certainty.AT_MOST
        yield Loss(version, what, int(answer["count"]), certainty, unit=_UNIT)
