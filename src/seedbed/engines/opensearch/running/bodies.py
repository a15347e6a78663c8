"""The request that is sent for one of a migration: of the same effect, in a form that takes effect once."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.rest import ndjson, path
from seedbed.engines.opensearch.rules.kinds import RequestKind, items
from seedbed.engines.opensearch.store import fences

_PARTS = frozenset({"settings", "mappings", "aliases"})


class OutgoingRequest(Struct, frozen=True):
    """A request as it is sent; bytes are NDJSON."""

    method: str
    path: str
    body: Any
    params: dict[str, str]


def plain(request: Request) -> OutgoingRequest:
    """Return `request` unchanged."""
    body: Any = request.body if request.is_bulk else request.json
    return OutgoingRequest(request.method, request.path, body, dict(request.params))


def with_ids(request: Request, stem: str) -> OutgoingRequest:
    """Return a request that gives new documents ids from `stem`: "20260101-3"; in a bulk body "20260101-3-17"."""
    if not request.is_bulk:
        params = {key: value for key, value in request.params.items() if key != "op_type"}
        return OutgoingRequest("PUT", path(request.index, "_create", stem), request.json, params)
    lines: list[Any] = []
    for number, (action, metadata, source) in enumerate(items(request)):
        has_no_id = action in {"index", "create"} and "_id" not in metadata
        lines.append({"create": {**metadata, "_id": f"{stem}-{number}"}} if has_no_id else {action: metadata})
        if source is not None:
            lines.append(source)
    return OutgoingRequest(request.method, request.path, ndjson(lines), dict(request.params))


def behind_fence(request: Request, kind: RequestKind, fence: str, following: str) -> OutgoingRequest:
    """Return a request of the same effect that OpenSearch refuses once `fence` is gone.

    An index is created by rolling the alias of the fence over to it, which is one change of the cluster state; the
    alias is moved back afterwards. A request that changes aliases or drops an index moves the fence to `following`.
    """
    if kind is RequestKind.CREATE_INDEX:
        body = request.json or {}
        if body and not _PARTS & set(body):
            body = {"settings": body}  # OpenSearch accepts settings without their name, too
        return OutgoingRequest("POST", path(fence, "_rollover", request.index), body, dict(request.params))
    move = [fences.down(fence), fences.up(following)]
    if kind is RequestKind.DROP_INDEX:
        actions = [{"remove_index": {"index": request.index}}]
        return OutgoingRequest("POST", "/_aliases", {"actions": [*move, *actions]}, _timeouts(request))
    body = request.json or {}
    return OutgoingRequest(
        "POST", "/_aliases", {**body, "actions": [*move, *body.get("actions", [])]}, dict(request.params)
    )


def _timeouts(request: Request) -> dict[str, str]:
    return {key: value for key, value in request.params.items() if key.endswith("timeout")}
