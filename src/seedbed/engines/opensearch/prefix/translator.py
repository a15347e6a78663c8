"""A request as it leaves for a shared domain, and its answer as it is read: only here is the prefix known. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from seedbed.engines.opensearch.prefix import answers, bodies
from seedbed.engines.opensearch.prefix.names import Names, beyond
from seedbed.engines.opensearch.prefix.routes import Route, is_name, route_of
from seedbed.engines.opensearch.rest import Params
from seedbed.engines.opensearch.rest import path as path_of
from seedbed.support.typed import UNREADABLE

_PIPELINES = frozenset({"pipeline", "search_pipeline"})  # parameters that name one
_INDEX = b"_index"
# What of a bulk body may name something. An escape may hide any of it, and is looked into.
_NAMING = (_INDEX, b'"pipeline"', b'"script"', b"\\u")
_STRANGE = (*UNREADABLE, AttributeError, KeyError, TypeError)  # what reading an unknown form of a body raises
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder().decode


class Sent(Struct, frozen=True):
    """A request as it is sent. `route`: None where no domain is shared; `names_index`: of a search with `_index`."""

    path: str
    params: Mapping[str, str | int | bool]
    headers: Mapping[str, str]
    body: bytes
    route: Route | None = None
    names_index: bool = False


def sent(
    names: Names,
    path: str,
    body: bytes = b"",
    *,
    params: Params | None = None,
    headers: Mapping[str, str] | None = None,
) -> Sent:
    """Return the request with every name below the prefix. Raises Beyond for one that may reach further."""
    first, *rest = (unquote(each) for each in path[1:].split("/"))
    parts = ("*" if first == "_all" else first, *rest)
    route = route_of(parts)
    if route is None:
        raise beyond(f"{path} is not known to stay below {names.prefix}", "it may reach what is theirs")
    return Sent(
        _path(names, route, parts),
        {key: _param(names, key, each) for key, each in (params or {}).items()},
        _headers(names, headers or {}),
        _body(names, route, path, body),
        route,
        route.searches and _INDEX in body,
    )


def answered(names: Names, asked: Sent, status: int, body: bytes) -> bytes:
    """Return the body of the answer to `asked` with plain names; of documents, every byte as it came."""
    assert asked.route is not None
    if status >= 300 or (asked.route.searches and answers.has_failed_shards(body)):
        return body.replace(names.prefix.encode(), b"")
    read = answers.search if asked.names_index else asked.route.answer
    if asked.route.path[-1] == "_bulk" and names.prefix.encode() in body:
        read = answers.bulk
    if read is None or not body:
        return body
    try:
        found = _decode(body)
        if isinstance(found, dict) and isinstance(found.get("acknowledged"), bool):  # of a change
            read = answers.texts
        return _encode(read(found, names))
    except (*_STRANGE, OverflowError):
        return body  # whoever reads it finds that it is not OpenSearch's


def _path(names: Names, route: Route, parts: tuple[str, ...]) -> str:
    named = (
        names.outside(each) if is_name(form) else each for form, each in zip(route.path, parts, strict=True)
    )
    return path_of(*named, *([names.outside("*")] if route.every else []))


def _param(names: Names, key: str, value: str | int | bool) -> str | int | bool:
    if key in _PIPELINES:
        return bodies.pipeline(str(value), names.outside)
    if key == "q" and "_index" in str(value):
        raise beyond("a query string names _index", "what it finds would depend on a text", "use a `term`")
    return value


def _headers(names: Names, headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers by which a task is known to be this environment's."""
    return {
        key: names.prefix + value if key.lower() == answers.OPAQUE_ID.lower() else value
        for key, value in headers.items()
    }


def _body(names: Names, route: Route, path: str, body: bytes) -> bytes:
    if route.path[-1] == "_bulk":
        return _lines(names, body, is_named=len(route.path) > 1)
    found: Any = None
    try:
        if body and route.body is not None:
            found = _decode(body)
        if route.path == ("_search",) and not (
            isinstance(found, dict) and isinstance(found.get("pit"), dict)
        ):
            raise beyond("the search names no index", "it would look into theirs")
        return _encode(route.body(found, names.outside)) if body and route.body is not None else body
    except _STRANGE as error:
        raise beyond(
            f"the body of {path} is not understood", f"what it names is not known ({error})"
        ) from None


def _lines(names: Names, body: bytes, *, is_named: bool) -> bytes:
    """Return a bulk body. Documents are not decoded, and nothing is where nothing but documents can be in it."""
    if is_named and not any(each in body for each in _NAMING):
        return body
    found: list[bytes] = []
    lines = iter(each for each in body.split(b"\n") if each.strip())
    try:
        for line in lines:
            ((verb, about),) = _decode(line).items()
            if not is_named and "_index" not in about:
                raise beyond("an item of a bulk request names no index", "neither does its path")
            found.append(_encode({verb: _item(names, about)}))
            if verb != "delete":
                source = next(lines)
                found.append(_update(names, source) if verb == "update" else source)
    except (*_STRANGE, StopIteration, ValueError) as error:
        raise beyond("a bulk body is not understood", f"what it names is not known ({error})") from None
    return b"".join(each + b"\n" for each in found)


def _item(names: Names, about: dict[str, Any]) -> dict[str, Any]:
    if isinstance(about.get("_index"), str):
        about["_index"] = names.outside(about["_index"])
    if isinstance(about.get("pipeline"), str):
        about["pipeline"] = bodies.pipeline(about["pipeline"], names.outside)
    return about


def _update(names: Names, source: bytes) -> bytes:
    """Return the body of an update; but for the name of a stored script, every byte of it as it is."""
    found = _decode(source)
    changed = bodies.update(found, names.outside)
    return source if changed == found else _encode(changed)
