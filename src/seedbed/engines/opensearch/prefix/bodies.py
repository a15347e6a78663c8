"""Where names stand in bodies: functions that return a body with each of them replaced, either way. Pure.

What holds no name is returned as it is: documents, mappings, the text of scripts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seedbed.engines.opensearch.prefix.names import Beyond, Named, beyond

Body = Any
Change = Callable[[Body, Named], Body]

NO_PIPELINE = "_none"
_SETTINGS = frozenset(
    {
        "default_pipeline",
        "final_pipeline",
        "search.default_pipeline",
        "provided_name",
        "resize.source.name",
        "plugins.index_state_management.rollover_alias",
        "opendistro.index_state_management.rollover_alias",
    }
)
_TEXT_QUERIES = frozenset({"query_string", "simple_query_string"})
_LOOKUPS = frozenset({"indexed_shape", "percolate"})  # each may name the index that it looks into
_AGGREGATIONS = frozenset({"aggs", "aggregations"})
_UNTOUCHED = frozenset({"params", "document", "documents", "doc", "upsert"})
_MOVES = re.compile(r"_index\b")
_CHANGES = re.compile(r"\bctx\b")  # of a script that changes documents; one of a search has no such thing


def pipeline(name: str, to: Named) -> str:
    """Return the name of a pipeline, of which `_none` is no one's."""
    return name if name == NO_PIPELINE else to(name)


def create(body: Body, to: Named) -> Body:
    """Of `PUT /index`, a rollover, a resize, a template's `template`: settings and aliases."""
    if not isinstance(body, Mapping):
        return body
    found = settings(body, to)
    if isinstance(body.get("aliases"), Mapping):
        found["aliases"] = {to(name): alias(each, to) for name, each in body["aliases"].items()}
    return found


def settings(body: Body, to: Named) -> Body:
    """Return settings, nested or flat, below `settings` or by themselves. Mappings and aliases stay as they are."""
    if not isinstance(body, Mapping):
        return body
    return {
        key: each if key in {"mappings", "aliases", "conditions"} else _setting(str(key), each, to)
        for key, each in body.items()
    }


def _setting(path: str, value: Any, to: Named) -> Any:
    if isinstance(value, Mapping):
        return {key: _setting(f"{path}.{key}", each, to) for key, each in value.items()}
    name = path.removeprefix("settings.").removeprefix("index.")
    return pipeline(value, to) if name in _SETTINGS and isinstance(value, str) else value


def alias(body: Body, to: Named) -> Body:
    """Of an alias: its filter is a query."""
    if not isinstance(body, Mapping):
        return body
    return {key: query(each, to) if key == "filter" else each for key, each in body.items()}


def actions(body: Body, to: Named) -> Body:
    """Of `POST /_aliases`."""
    return {
        **body,
        "actions": [{verb: _action(each, to) for verb, each in one.items()} for one in body["actions"]],
    }


def _action(about: Mapping[str, Any], to: Named) -> Mapping[str, Any]:
    return {
        key: _listed(each, to) if key in {"index", "indices", "alias", "aliases"} else each
        for key, each in alias(about, to).items()
    }


def _listed(value: Any, to: Named) -> Any:
    return [to(str(each)) for each in value] if isinstance(value, list) else to(str(value))


def template(body: Body, to: Named) -> Body:
    """Of a template, composed, component or legacy."""
    if not isinstance(body, Mapping):
        return body
    found = create(body, to)
    for key in ("index_patterns", "composed_of", "ignore_missing_component_templates"):
        if body.get(key) is not None:
            found[key] = _listed(body[key], to)
    if isinstance(body.get("template"), Mapping):
        found["template"] = create(body["template"], to)
    return found


def query(body: Body, to: Named) -> Body:
    """Of anything with queries in it: a search, a walk over documents, the filter of an alias."""
    if isinstance(body, list):
        return [query(each, to) for each in body]
    if not isinstance(body, Mapping):
        return body
    return {key: _member(str(key), each, to) for key, each in body.items()}


def _member(key: str, value: Any, to: Named) -> Any:
    if key in _UNTOUCHED:
        return value
    if key == "_index":  # no field of a document can be called so
        return _strings(value, to)
    if key in _AGGREGATIONS and isinstance(value, Mapping):  # whose names are the file's own: `doc`, `terms`
        return {name: query(each, to) for name, each in value.items()}
    if key == "sort":
        return [_order(each, to) for each in value] if isinstance(value, list) else _order(value, to)
    if key == "indices_boost":
        return _boosts(value, to)
    if key in _TEXT_QUERIES and any(_MOVES.search(each) for each in _texts(value)):
        raise beyond("a query string names _index", "what it finds would depend on a text", "use a `term`")
    if key == "search_pipeline" and isinstance(value, str):
        return pipeline(value, to)
    if isinstance(value, Mapping):
        if key == "script" or key.endswith("_script"):
            return _script(value, to)
        if key in _LOOKUPS and isinstance(value.get("index"), str):
            return {**query(value, to), "index": to(value["index"])}
        if key == "terms":
            return {field: _terms(each, to) for field, each in value.items()} | (
                {"_index": _strings(value["_index"], to)} if "_index" in value else {}
            )
    return query(value, to)


def _order(value: Any, to: Named) -> Any:
    """Return one criterion of a sort, which may be the index itself."""
    if not isinstance(value, Mapping):
        return value
    return {key: each if key == "_index" else _member(str(key), each, to) for key, each in value.items()}


def _terms(value: Any, to: Named) -> Any:
    """Return what a `terms` query has for a field: values, or where they are looked up."""
    if isinstance(value, Mapping) and isinstance(value.get("index"), str):
        return {**query(value, to), "index": to(value["index"])}
    return query(value, to)


def _script(value: Mapping[str, Any], to: Named) -> Mapping[str, Any]:
    found: dict[str, Any] = query(value, to)
    return {**found, "id": to(found["id"])} if isinstance(found.get("id"), str) else found


def _strings(value: Any, to: Named) -> Any:
    """Return the names in a query on `_index`: a text, a list, or an object that has them."""
    if isinstance(value, str):
        return to(value)
    if isinstance(value, list):
        return [_strings(each, to) for each in value]
    if isinstance(value, Mapping):
        return {key: each if key == "boost" else _strings(each, to) for key, each in value.items()}
    return value


def _boosts(value: Any, to: Named) -> Any:
    if isinstance(value, list):
        return [_boosts(each, to) for each in value]
    return {to(name): each for name, each in value.items()} if isinstance(value, Mapping) else value


def reindex(body: Body, to: Named) -> Body:
    """Of `POST /_reindex`. Raises Beyond for a script that may choose the index of a document."""
    if any(_MOVES.search(each) for each in _texts(body.get("script"))):
        raise _moving()
    found = query(body, to)
    source, target = found["source"], found["dest"]
    found["source"] = {**source, "index": _listed(source["index"], to)}
    found["dest"] = {**target, "index": to(target["index"])}
    if isinstance(target.get("pipeline"), str):
        found["dest"]["pipeline"] = pipeline(target["pipeline"], to)
    return found


def update(body: Body, to: Named) -> Body:
    """Of `POST /index/_update/id`: a script may be a stored one; the document stays as it is."""
    if not isinstance(body, Mapping) or not isinstance(body.get("script"), Mapping):
        return body
    return {**body, "script": _script(body["script"], to)}


def stored_script(body: Body, to: Named) -> Body:
    """Of a stored script. Raises Beyond for one that may choose an index: a copy or a pipeline may name it."""
    del to
    texts = list(_texts(body))
    if any(map(_CHANGES.search, texts)) and any(map(_MOVES.search, texts)):
        raise _moving()
    return body


def _moving() -> Beyond:
    return beyond("a script chooses the index that is written to", "which one is not known from the file")


def stored(body: Body, to: Named) -> Body:
    """Of a search by a stored script."""
    return _script(body, to) if isinstance(body, Mapping) else body


def mget(body: Body, to: Named) -> Body:
    """Of `POST /index/_mget`: an item may name its index."""
    if not isinstance(body, Mapping) or not isinstance(body.get("docs"), list):
        return body
    docs = [{**each, "_index": to(each["_index"])} if "_index" in each else each for each in body["docs"]]
    return {**body, "docs": docs}


def snapshot(body: Body, to: Named) -> Body:
    """Of a snapshot: its indexes. Raises Beyond for one with the state of the cluster, which is everyone's."""
    if not isinstance(body, Mapping) or not body.get("indices"):
        raise beyond(
            "the snapshot does not say of what", "it would have all of them", '"indices": ["lessons"]'
        )
    if body.get("include_global_state", True) is not False:
        raise beyond(
            "the snapshot has the state of the whole cluster",
            "that is theirs as well",
            '"include_global_state": false',
        )
    return {**body, "indices": _listed(body["indices"], to)}


def processors(body: Body, to: Named) -> Body:
    """Of a pipeline, for ingestion or searches. Raises Beyond for a processor that chooses an index."""
    if isinstance(body, list):
        return [processors(each, to) for each in body]
    if not isinstance(body, Mapping):
        return body
    return {key: _processor(str(key), each, to) for key, each in body.items()}


def _processor(key: str, value: Any, to: Named) -> Any:
    if key == "date_index_name" or value == "_index":
        raise beyond(
            "a processor chooses the index that is written to", "which one is not known from the file"
        )
    if key == "source" and isinstance(value, str) and _MOVES.search(value):
        raise _moving()
    if isinstance(value, Mapping):
        named: Mapping[str, Any] = processors(value, to)
        if key == "pipeline" and isinstance(named.get("name"), str):
            return {**named, "name": to(named["name"])}
        if key == "script" and isinstance(named.get("id"), str):
            return {**named, "id": to(named["id"])}
        return named
    return processors(value, to) if isinstance(value, list) else value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
