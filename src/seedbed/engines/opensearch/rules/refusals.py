"""Requests that a migration must not contain, and hazards that the file alone shows."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.files.requests import RequestFileError
from seedbed.engines.opensearch.rules import registry
from seedbed.engines.opensearch.rules.kinds import RequestKind, items, kind_of
from seedbed.engines.opensearch.schema.names import HISTORY, is_reserved
from seedbed.model.hazard import Hazard

_READS = frozenset({"_search", "_count", "_msearch", "_mget", "_explain", "_validate", "_analyze", "_cat"})


def require_permitted(request: Request) -> None:
    """Raise RequestFileError for a request that can never be part of a migration."""
    line = request.line
    if request.method in {"GET", "HEAD"} or request.operation in _READS:
        raise RequestFileError(
            "this request changes nothing", "the requests of a migration change something", line
        )
    if any(_is_reserved(each) for each in _names(request)):
        raise RequestFileError(
            f"{HISTORY} belongs to seedbed",
            "a migration that changes it would change the history",
            line,
        )
    if "wait_for_completion" in request.params:
        raise RequestFileError(
            "a migration cannot set `wait_for_completion`",
            "seedbed starts a long operation as a task, and follows it to its end",
            line,
            "leave it out",
        )
    if kind_of(request) is RequestKind.DROP_INDEX and (
        set(request.index) & set("*,") or request.index.startswith("_")
    ):
        raise RequestFileError(
            f"{request.index!r} does not name one index",
            "the meaning of a pattern depends on the indexes that exist",
            line,
            "use one request for each index",
        )
    if request.is_bulk and not request.body:
        raise RequestFileError("there is nothing to do", "the body is empty", line)


def require_items(request: Request) -> None:
    """Raise RequestFileError for a bulk body with an invalid item."""
    try:
        list(items(request))
    except ValueError as error:
        raise RequestFileError("the body is not a valid bulk body", str(error), request.line) from None


def _names(request: Request) -> Iterator[str]:
    yield from request.index.split(",")
    if request.is_bulk:
        yield from (str(metadata.get("_index", "")) for _, metadata, _ in items(request))
    elif request.operation in {"_aliases", "_reindex"} and isinstance(body := request.json, dict):
        yield from _strings(body)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _is_reserved(name: str) -> bool:
    return is_reserved(name.strip())


def _handles_conflicts(request: Request) -> bool:
    return "conflicts" in request.params or b'"conflicts"' in request.body


def hazards(request: Request) -> Iterator[Hazard]:
    """Yield what may hurt about a request of the up section."""
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
    if request.operation == "_delete_by_query":
        yield registry.DELETES_DOCUMENTS.hazard(f"{request} deletes documents", line=line)
    if request.operation == "_close":
        yield registry.CLOSES_INDEX.hazard(f"{request} closes an index", line=line)
    if request.operation in {"_update_by_query", "_reindex"} and not _handles_conflicts(request):
        yield registry.STOPS_AT_CONFLICTS.hazard(
            f"{request} walks over an index while others write to it", line=line
        )
