"""Hazards that a request of a migration shows by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.rules import registry
from seedbed.engines.opensearch.rules.kinds import RequestKind, kind_of
from seedbed.engines.opensearch.rules.naming import is_pattern, listed_names
from seedbed.engines.opensearch.rules.reach import deletes_documents, removed_indexes
from seedbed.engines.opensearch.schema.settings import flat
from seedbed.model.hazard import Hazard


def hazards(up: Sequence[Request], down: Sequence[Request]) -> Iterator[Hazard]:
    """Yield what may hurt about the requests of the section `up`, and what the section `down`, if any, leaves."""
    for each in up:
        yield from _of_removal(each)
        yield from _of_change(each)
    if down:
        yield from _left_by(up, down)


def _of_removal(request: Request) -> Iterator[Hazard]:
    found, line = kind_of(request), request.line
    if found is RequestKind.DROP_INDEX or (
        found is RequestKind.ALIASES and b'"remove_index"' in request.body
    ):
        yield registry.REMOVES_INDEX.hazard(
            f"{request} removes an index"
            if found is RequestKind.DROP_INDEX
            else "an index is removed with its aliases",
            line=line,
        )
    if request.method == "DELETE" and request.operation == "_data_stream":
        yield registry.REMOVES_INDEX.hazard(f"{request} removes all indexes of a data stream", line=line)
    if deletes_documents(request):
        yield registry.DELETES_DOCUMENTS.hazard(f"{request} deletes documents", line=line)


def _of_change(request: Request) -> Iterator[Hazard]:
    line = request.line
    if request.operation == "_close":
        yield registry.CLOSES_INDEX.hazard(f"{request} closes an index", line=line)
    if _meets_writers(request) and not _goes_on(request):
        yield registry.STOPS_AT_CONFLICTS.hazard(
            f"{request} walks over an index while others write to it", line=line
        )
    if is_pattern(request.index):
        yield registry.CHANGES_BY_PATTERN.hazard(
            f"{request} changes whatever {request.index} matches", line=line
        )
    if request.operation == "_block" or _blocks(request):
        yield registry.BLOCKS_INDEX.hazard(f"{request} blocks {request.index or 'indexes'}", line=line)
    if request.operation in {"_index_template", "_template"} and request.method != "DELETE":
        yield from template_hazards(request.json or {}, line)


def template_hazards(body: Mapping[str, Any], line: int) -> Iterator[Hazard]:
    """Yield what may hurt about the patterns of an index template."""
    for pattern in listed_names(body.get("index_patterns", [])):
        if pattern.startswith("*"):
            yield registry.TEMPLATE_FOR_ANY.hazard(
                f"the template is for every new index that {pattern} matches", line=line
            )


def _meets_writers(request: Request) -> bool:
    """Return whether documents that others write meanwhile may stop `request`, which walks over an index.

    A `_reindex` overwrites what it finds, unless it creates documents or compares versions.
    """
    if request.operation != "_reindex":
        return request.operation in {"_update_by_query", "_delete_by_query"}
    to: Mapping[str, Any] = (request.json or {}).get("dest", {})
    return bool(to.get("op_type") == "create" or to.get("version_type", "internal") != "internal")


def _goes_on(request: Request) -> bool:
    """Return whether the request goes on after a document that was changed meanwhile."""
    return "proceed" in {request.params.get("conflicts"), (request.json or {}).get("conflicts")}


def _blocks(request: Request) -> bool:
    """Return whether `request` puts a block on an index by its settings."""
    if request.operation != "_settings":
        return False
    body = request.json or {}
    settings = flat(body.get("settings", body))
    return any(
        name.startswith("blocks.") and str(value).lower() == "true" for name, value in settings.items()
    )


def _left_by(up: Sequence[Request], down: Sequence[Request]) -> Iterator[Hazard]:
    """Yield the indexes that `up` creates and `down` leaves, so that they stand in the way of the next apply."""
    removed = {name for each in down for name in removed_indexes(each)}
    removed |= {name for each in up for name in removed_indexes(each)}
    for each in up:
        if kind_of(each) is RequestKind.CREATE_INDEX and each.index not in removed:
            yield registry.DOWN_LEAVES.hazard(
                f"the down section leaves {each.index}, which {each} creates",
                try_=f"DELETE /{each.index} in the down section",
                line=each.line,
            )
