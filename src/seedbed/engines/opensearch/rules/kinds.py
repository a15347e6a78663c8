"""Kinds of requests, by how to find out whether one took effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from seedbed.engines.opensearch.files.request import Request
from seedbed.support.phrases import shorten

_TASKS = frozenset({"_update_by_query", "_delete_by_query", "_reindex", "_forcemerge"})
_COPIES = frozenset({"_clone", "_split", "_shrink"})
_IDEMPOTENT = frozenset(
    {
        "_alias",
        "_aliases",
        "_cache",
        "_close",
        "_flush",
        "_mapping",
        "_mappings",
        "_open",
        "_refresh",
        "_scripts",
        "_settings",
    }
)
BULK_ACTIONS = ("index", "create", "update", "delete")


class RequestKind(StrEnum):
    """How to find out whether a request took effect."""

    CREATE_INDEX = "creates an index"  # behind the fence, with its record
    DROP_INDEX = "drops an index"  # behind the fence, with its record
    ALIASES = "changes aliases"  # behind the fence, with its record
    TASK = "runs as a task"  # by its task, found by X-Opaque-Id
    ADD = "adds a document"  # by an id that the step gives it
    CREATE = "creates a document"  # by its id and what it holds
    BULK = "changes documents"  # repeatable: every item is
    COPY = "creates an object by name"  # by whether it exists
    REMOVAL = "removes an object by name"  # repeatable: that it is missing is not an error then
    IDEMPOTENT = "has the same result each time"  # repeatable
    ONCE = "has another result each time"  # unknown


FENCED = frozenset({RequestKind.CREATE_INDEX, RequestKind.DROP_INDEX, RequestKind.ALIASES})
REPEATABLE = frozenset({RequestKind.BULK, RequestKind.REMOVAL, RequestKind.IDEMPOTENT})


def kind_of(request: Request) -> RequestKind:
    """Return the kind of `request`."""
    method, segments, operation = request.method, request.segments, request.operation
    if len(segments) == 1 and request.index:
        return {"PUT": RequestKind.CREATE_INDEX, "DELETE": RequestKind.DROP_INDEX}.get(
            method, RequestKind.ONCE
        )
    if operation in _TASKS:
        return RequestKind.TASK
    if request.is_bulk:
        return RequestKind.ONCE if _has_script(request) else RequestKind.BULK
    if segments == ("_aliases",) and method == "POST":
        return RequestKind.ALIASES
    if method == "DELETE":
        return RequestKind.REMOVAL
    is_snapshot = operation == "_snapshot" and len(segments) == 3
    if operation in _COPIES or operation == "_data_stream" or is_snapshot:
        return RequestKind.COPY
    return _of_document(request) or (
        RequestKind.IDEMPOTENT if method == "PUT" or operation in _IDEMPOTENT else RequestKind.ONCE
    )


def _of_document(request: Request) -> RequestKind | None:
    """Return the kind of a request on one document; None for other requests."""
    operation, has_id = request.operation, len(request.segments) > 2
    if operation == "_create" or (operation == "_doc" and request.params.get("op_type") == "create"):
        return RequestKind.CREATE if has_id else RequestKind.ADD
    if operation == "_doc":
        if not has_id:
            return RequestKind.ADD
        return RequestKind.ONCE if {"if_seq_no", "version"} & set(request.params) else RequestKind.IDEMPOTENT
    if operation == "_update":
        return RequestKind.ONCE if "script" in (request.json or {}) else RequestKind.IDEMPOTENT
    return None


def is_repeatable(request: Request) -> bool:
    """Return whether a request may be sent again when its outcome is unknown."""
    return kind_of(request) in REPEATABLE or request.operation == "_forcemerge"


def items(request: Request) -> Iterator[tuple[str, dict[str, Any], Mapping[str, Any] | None]]:
    """Yield (action, its metadata, source) for each item of a bulk body. Raises ValueError for an invalid one."""
    lines = iter(request.lines)
    for line in lines:
        if not isinstance(line, dict) or len(line) != 1 or next(iter(line)) not in BULK_ACTIONS:
            raise ValueError(
                f"an item begins with one of {', '.join(BULK_ACTIONS)}, not with {shorten(str(line), 60)}"
            )
        ((action, metadata),) = line.items()
        if not isinstance(metadata, dict):
            raise ValueError(f"the metadata of {action!r} is an object")
        source = None if action == "delete" else next(lines, None)
        if action != "delete" and not isinstance(source, dict):
            raise ValueError(f"the document of an item ({action}) is missing")
        yield action, metadata, source


def _has_script(request: Request) -> bool:
    return any(action == "update" and "script" in (source or {}) for action, _, source in items(request))
