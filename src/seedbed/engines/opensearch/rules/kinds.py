"""What a request does, as far as carrying it out once needs to know. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from seedbed.engines.opensearch.files.request import Request
from seedbed.support.phrases import shorten

_TASKS = frozenset({"_update_by_query", "_delete_by_query", "_reindex", "_forcemerge"})
_COPIES = frozenset({"_clone", "_split", "_shrink"})
_SAME = frozenset(
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


class Kind(StrEnum):
    """How it is known whether a request took effect."""

    MAKE_INDEX = "makes an index"  # behind the fence, with its record
    DROP_INDEX = "drops an index"  # behind the fence, with its record
    ALIASES = "changes aliases"  # behind the fence, with its record
    TASK = "goes on by itself"  # found by its mark
    ADD = "adds a document"  # by an id that the step gives it
    CREATE = "creates a document"  # by its id and what it holds
    BULK = "changes documents"  # every item may be repeated
    COPY = "makes something by name"  # by whether it is there
    REMOVAL = "removes something by name"  # may be repeated: that it is gone is no error then
    SAME = "leaves the same whenever it runs"  # may be repeated
    ONCE = "does something every time it runs"  # nobody can tell


FENCED = frozenset({Kind.MAKE_INDEX, Kind.DROP_INDEX, Kind.ALIASES})
REPEATABLE = frozenset({Kind.BULK, Kind.REMOVAL, Kind.SAME})


def kind_of(request: Request) -> Kind:
    """Return what `request` does."""
    method, segments, operation = request.method, request.segments, request.operation
    if len(segments) == 1 and request.index:
        return {"PUT": Kind.MAKE_INDEX, "DELETE": Kind.DROP_INDEX}.get(method, Kind.ONCE)
    if operation in _TASKS:
        return Kind.TASK
    if request.is_bulk:
        return Kind.ONCE if _has_script(request) else Kind.BULK
    if segments == ("_aliases",) and method == "POST":
        return Kind.ALIASES
    if method == "DELETE":
        return Kind.REMOVAL
    is_snapshot = operation == "_snapshot" and len(segments) == 3
    if operation in _COPIES or operation == "_data_stream" or is_snapshot:
        return Kind.COPY
    return _of_document(request) or (Kind.SAME if method == "PUT" or operation in _SAME else Kind.ONCE)


def _of_document(request: Request) -> Kind | None:
    """Return what a request on one document does; None where it is none."""
    operation, has_id = request.operation, len(request.segments) > 2
    if operation == "_create" or (operation == "_doc" and request.params.get("op_type") == "create"):
        return Kind.CREATE if has_id else Kind.ADD
    if operation == "_doc":
        if not has_id:
            return Kind.ADD
        return Kind.ONCE if {"if_seq_no", "version"} & set(request.params) else Kind.SAME
    if operation == "_update":
        return Kind.ONCE if "script" in (request.json or {}) else Kind.SAME
    return None


def is_repeatable(request: Request) -> bool:
    """Return whether a request may be carried out again when nobody knows whether it took effect."""
    return kind_of(request) in REPEATABLE or request.operation == "_forcemerge"


def items(request: Request) -> Iterator[tuple[str, dict[str, Any], Mapping[str, Any] | None]]:
    """Yield (action, its own words, source) for each item of a bulk. Raises ValueError for what is none."""
    lines = iter(request.lines)
    for line in lines:
        if not isinstance(line, dict) or len(line) != 1 or next(iter(line)) not in BULK_ACTIONS:
            raise ValueError(
                f"an item begins with one of {', '.join(BULK_ACTIONS)}, not with {shorten(str(line), 60)}"
            )
        ((action, words),) = line.items()
        if not isinstance(words, dict):
            raise ValueError(f"what follows {action!r} is an object")
        source = None if action == "delete" else next(lines, None)
        if action != "delete" and not isinstance(source, dict):
            raise ValueError(f"the document of an item ({action}) is missing")
        yield action, words, source


def _has_script(request: Request) -> bool:
    return any(action == "update" and "script" in (source or {}) for action, _, source in items(request))
