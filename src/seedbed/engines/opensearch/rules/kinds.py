"""Kinds of requests, by how to find out whether one took effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.rules.endpoints import Effect, endpoint_of
from seedbed.support.phrases import shorten

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
_KINDS = {
    Effect.CREATES_INDEX: RequestKind.CREATE_INDEX,
    Effect.REMOVES_INDEX: RequestKind.DROP_INDEX,
    Effect.CHANGES_ALIASES: RequestKind.ALIASES,
    Effect.RUNS_AS_TASK: RequestKind.TASK,
    Effect.CREATES: RequestKind.COPY,
    Effect.REMOVES: RequestKind.REMOVAL,
    Effect.PUTS: RequestKind.IDEMPOTENT,
    Effect.ADDS_DOCUMENT: RequestKind.ADD,
    Effect.ROLLS_OVER: RequestKind.ONCE,
}


def kind_of(request: Request) -> RequestKind:
    """Return the kind of `request`."""
    found = endpoint_of(request)
    if found is None:
        return RequestKind.ONCE
    params = request.params
    match found.effect:
        case Effect.WRITES_DOCUMENTS:
            return RequestKind.ONCE if _has_script(request) else RequestKind.BULK
        case Effect.UPDATES_DOCUMENT:
            return RequestKind.ONCE if "script" in (request.json or {}) else RequestKind.IDEMPOTENT
        case Effect.CREATES_DOCUMENT:
            return RequestKind.CREATE
        case Effect.PUTS_DOCUMENT if params.get("op_type") == "create":
            return RequestKind.CREATE
        case Effect.PUTS_DOCUMENT:
            return RequestKind.ONCE if {"if_seq_no", "version"} & set(params) else RequestKind.IDEMPOTENT
        case _:
            return _KINDS[found.effect]


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
