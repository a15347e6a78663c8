"""What the body of a request reaches besides what its path names. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seedbed.engines.opensearch.files.request import Request
from seedbed.engines.opensearch.rules.endpoints import Effect, Endpoint
from seedbed.engines.opensearch.rules.foreign_types import foreign_types
from seedbed.engines.opensearch.rules.kinds import RequestKind, items, kind_of
from seedbed.engines.opensearch.rules.naming import (
    Complaint,
    complaint_about,
    listed_names,
    matches_history,
    strings,
)
from seedbed.engines.opensearch.schema.names import HISTORY

_NAMED_IN_ACTIONS = {"index": "index", "indices": "index", "alias": "alias", "aliases": "alias"}
_ACTIONS = ("add", "remove", "remove_index")
_DOCUMENTS = frozenset(
    {Effect.ADDS_DOCUMENT, Effect.CREATES_DOCUMENT, Effect.PUTS_DOCUMENT, Effect.UPDATES_DOCUMENT}
)
_MOVES = re.compile(r"ctx\s*(?:\.\s*_index|\[\s*['\"]_index)")


def complaints(endpoint: Endpoint, request: Request) -> Iterator[Complaint]:
    """Yield why the body of `request`, which is one of `endpoint`, is refused."""
    if request.is_bulk:
        yield from _bulk(request)
        return
    if not endpoint.has_body and request.body:
        yield Complaint("this request has no body", f"{endpoint} accepts none", "remove it")
        return
    body = request.json
    if body is not None and not isinstance(body, dict):
        yield Complaint("the body is not an object", "OpenSearch rejects it here", "{…}")
        return
    if endpoint.effect in _DOCUMENTS:
        return
    named = body or {}
    yield from _BODIES.get(endpoint.operation, _nothing)(named)
    if endpoint.effect is Effect.CREATES_INDEX or "aliases" in named:
        yield from _aliases_of(named.get("aliases"))
    if any(HISTORY in each for each in strings(named)):
        yield Complaint(
            f"{HISTORY} belongs to seedbed", "a migration that changes it would change the history"
        )
    for each in foreign_types(_mappings(endpoint, named)):
        yield Complaint(each.what, "Elasticsearch has it", each.instead)


def deletes_documents(request: Request) -> bool:
    """Return whether a query of `request` is what selects documents to delete."""
    if request.operation == "_delete_by_query":
        return True
    return request.operation == "_update_by_query" and bool(
        re.search(r"ctx\s*\.\s*op\s*=\s*['\"]delete", " ".join(strings(request.json)))
    )


def removed_indexes(request: Request) -> Iterator[str]:
    """Yield the names of the indexes that `request` removes, by itself or among changes of aliases."""
    kind = kind_of(request)
    if kind is RequestKind.DROP_INDEX:
        yield request.index
    elif kind is RequestKind.ALIASES:
        for action in (request.json or {}).get("actions", ()):
            named = action.get("remove_index", {})
            yield from listed_names(named.get("indices", named.get("index", [])))


def _nothing(body: Mapping[str, Any]) -> Iterator[Complaint]:
    del body
    return iter(())


def _bulk(request: Request) -> Iterator[Complaint]:
    if not request.body:
        yield Complaint("there is nothing to do", "the body is empty")
    try:
        found = list(items(request))
    except ValueError as error:
        yield Complaint("the body is not a valid bulk body", str(error))
        return
    for number, (action, metadata, _) in enumerate(found, 1):
        if "_index" not in metadata and not request.index:
            yield Complaint(
                f"item {number} ({action}) names no index", "the path has none either", '"_index": "lessons"'
            )
        elif "_index" in metadata and (wrong := complaint_about(str(metadata["_index"]), "index")):
            yield wrong


def _aliases(body: Mapping[str, Any]) -> Iterator[Complaint]:
    actions = body.get("actions")
    if not isinstance(actions, list) or not actions:
        yield Complaint("there is nothing to do", "the body names no actions", '{"actions": [{"add": {…}}]}')
        return
    for action in actions:
        if not isinstance(action, dict) or len(action) != 1 or next(iter(action)) not in _ACTIONS:
            yield Complaint("the body has an unknown action", f"an action is one of {', '.join(_ACTIONS)}")
            continue
        ((_, named),) = action.items()
        for key, sort in _NAMED_IN_ACTIONS.items():
            if isinstance(named, dict) and key in named:
                yield from _wrong_names(named[key], sort)


def _aliases_of(aliases: object) -> Iterator[Complaint]:
    """Yield what is wrong with the names of the aliases that a new index gets."""
    yield from _wrong_names(list(aliases) if isinstance(aliases, dict) else [], "alias")


def _reindex(body: Mapping[str, Any]) -> Iterator[Complaint]:
    source, target = body.get("source"), body.get("dest")
    if not (isinstance(source, dict) and source.get("index") and isinstance(target, dict)):
        yield Complaint("the body does not say what is copied", "it lacks source.index or dest.index")
        return
    if "remote" in source:
        yield Complaint(
            "a request must not name a host", "the environment defines the host, and its credentials"
        )
    yield from _wrong_names(source["index"], "index")
    yield from _wrong_names(target.get("index", ""), "index")
    if any(_MOVES.search(each) for each in strings(body.get("script"))):
        yield Complaint(
            "the script chooses the index that is written to",
            "what it reaches depends on the documents",
            "use one _reindex for each index, with a query",
        )


def _template(body: Mapping[str, Any]) -> Iterator[Complaint]:
    for pattern in listed_names(body.get("index_patterns", [])):
        if matches_history(pattern):
            yield Complaint(
                f"the pattern {pattern!r} reaches {HISTORY}",
                "a template would change seedbed's own index",
                "patterns that begin with the names of your indexes: logs-*",
            )
    template = body.get("template")
    if isinstance(template, dict):
        yield from _aliases_of(template.get("aliases"))


def _snapshot(body: Mapping[str, Any]) -> Iterator[Complaint]:
    names = body.get("indices")
    if not names:
        yield Complaint(
            "the snapshot does not say of what",
            "without `indices`, it has every index of the cluster",
            '{"indices": ["lessons-1"], "include_global_state": false}',
        )
        return
    yield from _wrong_names(names.split(",") if isinstance(names, str) else names, "index")


def _wrong_names(value: object, sort: str) -> Iterator[Complaint]:
    for name in listed_names(value):
        if wrong := complaint_about(name, sort):
            yield wrong


def _mappings(endpoint: Endpoint, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the mappings that `body` holds."""
    if endpoint.operation in {"_mapping", "_mappings"}:
        return body
    holder = body.get("template") if isinstance(body.get("template"), dict) else body
    found = holder.get("mappings") if isinstance(holder, dict) else None
    return found if isinstance(found, dict) else {}


_BODIES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Complaint]]] = {
    "_aliases": _aliases,
    "_reindex": _reindex,
    "_index_template": _template,
    "_template": _template,
    "_component_template": _template,
    "_snapshot": _snapshot,
}
