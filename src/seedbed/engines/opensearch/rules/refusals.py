"""What no migration may say, and what it may say only on purpose: refusals and hazards that the file alone shows."""

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
        raise RequestFileError("this request changes nothing", "a migration's requests do", line)
    if any(_is_ours(each) for each in _names(request)):
        raise RequestFileError(
            f"{HISTORY} is seedbed's own",
            "a migration that changes it would change what is known",
            line,
        )
    if "wait_for_completion" in request.params:
        raise RequestFileError(
            "`wait_for_completion` is not a migration's to say",
            "seedbed starts what takes long as a task, and follows it to its end",
            line,
            "leave it out",
        )
    if kind_of(request) is RequestKind.DROP_INDEX and (
        set(request.index) & set("*,") or request.index.startswith("_")
    ):
        raise RequestFileError(
            f"{request.index!r} names no single index",
            "what a pattern means depends on what is there",
            line,
            "name each index in a request of its own",
        )
    if request.is_bulk and not request.body:
        raise RequestFileError("there is nothing to do", "the body is empty", line)


def require_items(request: Request) -> None:
    """Raise RequestFileError for a bulk whose lines are not items."""
    try:
        list(items(request))
    except ValueError as error:
        raise RequestFileError("the body is not a bulk", str(error), request.line) from None


def _names(request: Request) -> Iterator[str]:
    yield from request.index.split(",")
    if request.is_bulk:
        yield from (str(words.get("_index", "")) for _, words, _ in items(request))
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


def _is_ours(name: str) -> bool:
    return is_reserved(name.strip())


def _says_conflicts(request: Request) -> bool:
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
    if request.operation in {"_update_by_query", "_reindex"} and not _says_conflicts(request):
        yield registry.STOPS_AT_CONFLICTS.hazard(
            f"{request} walks over an index while others write to it", line=line
        )
