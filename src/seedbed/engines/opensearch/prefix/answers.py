"""What the domain answers, with plain names, and without what is another environment's. Pure.

Documents are never touched. Where a shard failed the answer is an error, and no document of it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from seedbed.engines.opensearch.prefix import bodies
from seedbed.engines.opensearch.prefix.bodies import Change
from seedbed.engines.opensearch.prefix.names import Names

Answer = Any
Read = Callable[[Answer, Names], Answer]

OPAQUE_ID = "X-Opaque-Id"
_FAILED = re.compile(rb'"failed":\s*[1-9]')
_BEGINNING = 1000  # bytes of an answer among which its shards are counted
_DOCUMENTS = frozenset({"_id", "id", "_source"})


def has_failed_shards(body: bytes) -> bool:
    """Return whether an answer to a search says that a part of it is missing."""
    return _FAILED.search(body, 0, _BEGINNING) is not None


def texts(answer: Answer, names: Names) -> Answer:
    """Return an answer with plain names wherever they stand in it, but for ids and documents."""
    if isinstance(answer, str):
        return names.without(answer)
    if isinstance(answer, list):
        return [texts(each, names) for each in answer]
    if isinstance(answer, Mapping):
        return {
            names.without(key): each if key in _DOCUMENTS else texts(each, names)
            for key, each in answer.items()
        }
    return answer


def by_index(answer: Answer, names: Names) -> Answer:
    """Of indexes, by their names: aliases and settings."""
    return {names.inside(name): _index(each, names) for name, each in answer.items() if names.is_own(name)}


def _index(body: Answer, names: Names) -> Answer:
    found: dict[str, Any] = bodies.settings(body, names.inside)
    if isinstance(body.get("aliases"), Mapping):
        found["aliases"] = {
            names.inside(name): bodies.alias(each, names.inside)
            for name, each in body["aliases"].items()
            if names.is_own(name)
        }
    return found


def statistics(answer: Answer, names: Names) -> Answer:
    """Of `_stats`: by index."""
    found = {names.inside(name): each for name, each in (answer.get("indices") or {}).items()}
    return {**answer, "indices": found} if "indices" in answer else answer


def named(change: Change) -> Read:
    """Return what reads objects by their names, each of the form that `change` knows."""

    def read(answer: Answer, names: Names) -> Answer:
        return {
            names.inside(name): change(each, names.inside)
            for name, each in answer.items()
            if names.is_own(name)
        }

    return read


def listed(key: str, member: str = "", change: Change | None = None) -> Read:
    """Return what reads a list of objects with names, under `key`: each perhaps with its form under `member`."""

    def one(found: Mapping[str, Any], names: Names) -> Mapping[str, Any]:
        plain = {**found, "name": names.inside(found["name"])}
        if change is not None and member in found:
            plain[member] = change(found[member], names.inside)
        return plain

    def read(answer: Answer, names: Names) -> Answer:
        return {
            **answer,
            key: [one(each, names) for each in answer.get(key, ()) if names.is_own(each["name"])],
        }

    return read


def scripts(answer: Answer, names: Names) -> Answer:
    """Of the cluster's state: stored scripts."""
    stored = answer.get("metadata", {}).get("stored_scripts", {})
    own = {names.inside(name): each for name, each in stored.items() if names.is_own(name)}
    return {"metadata": {"stored_scripts": own}}


def bulk(answer: Answer, names: Names) -> Answer:
    """Of `_bulk`: the reasons of items that were refused."""
    return {**answer, "items": [texts(each, names) for each in answer.get("items", ())]}


def search(answer: Answer, names: Names) -> Answer:
    """Of a search that names `_index`: hits say theirs, and buckets may be named after it."""
    hits = answer.get("hits", {})
    plain = {**answer}
    if isinstance(hits.get("hits"), list):
        plain["hits"] = {**hits, "hits": [_hit(each, names) for each in hits["hits"]]}
    if "aggregations" in answer:
        plain["aggregations"] = _buckets(answer["aggregations"], names)
    return plain


def _hit(found: Mapping[str, Any], names: Names) -> Mapping[str, Any]:
    plain = {**found}
    if isinstance(found.get("_index"), str):
        plain["_index"] = names.inside(found["_index"])
    fields = found.get("fields")
    if isinstance(fields, Mapping) and isinstance(fields.get("_index"), list):
        plain["fields"] = {**fields, "_index": [names.inside(str(each)) for each in fields["_index"]]}
    return plain


def _buckets(found: Any, names: Names) -> Any:
    """Return aggregations with plain keys. A key to continue from stays: the domain is to know it again."""
    if isinstance(found, list):
        return [_buckets(each, names) for each in found]
    if not isinstance(found, Mapping):
        return found
    return {key: _bucket(key, each, names) for key, each in found.items()}


def _bucket(key: str, value: Any, names: Names) -> Any:
    if key == "key":
        if isinstance(value, Mapping):
            return {name: _plain(each, names) for name, each in value.items()}
        return _plain(value, names)
    if key == "hits" and isinstance(value, Mapping):
        return search({"hits": value}, names)["hits"]
    return value if key in {"after_key", "_source"} else _buckets(value, names)


def _plain(value: Any, names: Names) -> Any:
    return names.inside(value) if isinstance(value, str) else value


def tasks(answer: Answer, names: Names) -> Answer:
    """Of `_tasks`: those of this environment, by their marks."""
    found = answer.get("tasks") or {}
    return {
        **answer,
        "tasks": {
            name: {**texts(each, names), "headers": _headers(each, names)}
            for name, each in found.items()
            if _is_ours(each, names)
        },
    }


def finished_tasks(answer: Answer, names: Names) -> Answer:
    """Of a search of results: those of this environment, by their marks."""
    hits = answer.get("hits", {}).get("hits", ())
    own = [each for each in hits if _is_ours(each.get("_source", {}).get("task", {}), names)]
    plain = [
        {
            **each,
            "_source": {
                "task": {**each["_source"]["task"], "headers": _headers(each["_source"]["task"], names)}
            },
        }
        for each in own
    ]
    return {**answer, "hits": {**answer.get("hits", {}), "hits": plain}}


def _is_ours(task: Mapping[str, Any], names: Names) -> bool:
    return str((task.get("headers") or {}).get(OPAQUE_ID, "")).startswith(names.prefix)


def _headers(task: Mapping[str, Any], names: Names) -> Mapping[str, Any]:
    headers = task.get("headers") or {}
    return {**headers, OPAQUE_ID: names.inside(str(headers.get(OPAQUE_ID, "")))}
