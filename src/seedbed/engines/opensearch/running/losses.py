"""How many documents reverts would remove, counted by the cluster; nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seedbed.engines.opensearch.files.programs import SUFFIX, subject_of
from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.files.requests import request
from seedbed.engines.opensearch.rules.reach import deletes_documents, removed_indexes
from seedbed.engines.opensearch.wire.errors import RequestFailed
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
    """Yield the documents of an index whose first version is reverted: that removes it."""
    subject = subject_of(migration)
    if subject.kind != "index" or not subject.version:
        return
    declared = cluster.declared().index(subject.name)
    if declared is not None and declared.before(subject.version) is None:
        yield from _counted(cluster, migration.version, subject.name)


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
        answer = cluster.client.call("GET", f"/{quote(names, safe=',*')}/_count", query)
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
