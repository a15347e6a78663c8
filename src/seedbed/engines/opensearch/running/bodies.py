"""What is sent for a request: the same thing in a form that takes effect once."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.rest import ndjson, path
from seedbed.engines.opensearch.rules.kinds import RequestKind, items
from seedbed.engines.opensearch.store import fences

_PARTS = frozenset({"settings", "mappings", "aliases"})


class Sent(Struct, frozen=True):
    """A request as it goes out; bytes are NDJSON."""

    method: str
    path: str
    body: Any
    params: dict[str, str]


def plain(request: Request) -> Sent:
    """Return `request` as it is written."""
    body: Any = request.body if request.is_bulk else request.json
    return Sent(request.method, request.path, body, dict(request.params))


def with_ids(request: Request, stem: str) -> Sent:
    """Return a request whose new documents have ids made from `stem`: "20260101-3", of a bulk "20260101-3-17"."""
    if not request.is_bulk:
        params = {key: value for key, value in request.params.items() if key != "op_type"}
        return Sent("PUT", path(request.index, "_create", stem), request.json, params)
    lines: list[Any] = []
    for number, (action, words, source) in enumerate(items(request)):
        is_nameless = action in {"index", "create"} and "_id" not in words
        lines.append({"create": {**words, "_id": f"{stem}-{number}"}} if is_nameless else {action: words})
        if source is not None:
            lines.append(source)
    return Sent(request.method, request.path, ndjson(lines), dict(request.params))


def behind_fence(request: Request, kind: RequestKind, fence: str, following: str) -> Sent:
    """Return a request of the same effect that OpenSearch carries out only while `fence` stands.

    An index is made by rolling the fence's alias over to it, which is one change of the cluster's state; the alias is
    put back afterwards. What changes aliases, or drops an index, moves the fence to `following` by itself.
    """
    if kind is RequestKind.CREATE_INDEX:
        body = request.json or {}
        if body and not _PARTS & set(body):
            body = {"settings": body}  # OpenSearch takes settings without their name, too
        return Sent("POST", path(fence, "_rollover", request.index), body, dict(request.params))
    moved = [fences.down(fence), fences.up(following)]
    if kind is RequestKind.DROP_INDEX:
        actions = [{"remove_index": {"index": request.index}}]
        return Sent("POST", "/_aliases", {"actions": [*moved, *actions]}, _timeouts(request))
    body = request.json or {}
    return Sent(
        "POST", "/_aliases", {**body, "actions": [*moved, *body.get("actions", [])]}, dict(request.params)
    )


def _timeouts(request: Request) -> dict[str, str]:
    return {key: value for key, value in request.params.items() if key.endswith("timeout")}
