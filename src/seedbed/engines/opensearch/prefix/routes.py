"""The requests that may leave below a prefix: where names stand in each, and in its answer. Pure.

What is in no route is refused. A part of a path in braces is a name or a list of names, `{*…}` anything else.
"""

from __future__ import annotations

from functools import cache

from msgspec import Struct

from seedbed.engines.opensearch.prefix import answers, bodies
from seedbed.engines.opensearch.prefix.answers import Read
from seedbed.engines.opensearch.prefix.bodies import Change
from seedbed.engines.opensearch.prefix.names import Named


class Route(Struct, frozen=True):
    """A path with what its body and its answer hold.

    `every`: it asks for all objects of a kind, and for all below the prefix once it is translated. `searches`: what it
    answers are documents, and perhaps buckets that are named after indexes.
    """

    path: tuple[str, ...]
    body: Change | None = None
    answer: Read | None = None
    every: bool = False
    searches: bool = False


def is_name(part: str) -> bool:
    return part.startswith("{") and not part.startswith("{*")


def _route(
    path: str, body: Change | None = None, answer: Read | None = None, *, searches: bool = False
) -> Route:
    return Route(tuple(path[1:].split("/")), body, answer, searches=searches)


def _every(path: str, body: Change, answer: Read) -> tuple[Route, Route]:
    """Return the routes of objects with names: all that are there, and one by its name."""
    parts = tuple(path[1:].split("/"))
    return Route(parts, None, answer, every=True), Route((*parts, "{name}"), body, answer)


def _same(body: bodies.Body, to: Named) -> bodies.Body:
    del to
    return body


ROUTES = (
    _route("/"),
    _route("/{index}", bodies.create, answers.by_index),
    _route("/{index}/_alias", None, answers.by_index),
    _route("/_alias/{alias}", None, answers.by_index),
    _route("/{index}/_alias/{alias}", bodies.alias, answers.by_index),
    _route("/{index}/_aliases/{alias}", bodies.alias),
    _route("/_aliases", bodies.actions),
    _route("/{index}/_mapping", None, answers.by_index),
    _route("/{index}/_mappings"),
    _route("/{index}/_settings", bodies.settings, answers.by_index),
    _route("/{index}/_block/{*block}", None, answers.texts),
    _route("/{index}/_open"),
    _route("/{index}/_close", None, answers.texts),
    _route("/{index}/_refresh"),
    _route("/{index}/_flush"),
    _route("/{index}/_cache/clear"),
    _route("/{index}/_forcemerge"),
    _route("/{index}/_stats", None, answers.statistics),
    _route("/{index}/_stats/{*metric}", None, answers.statistics),
    _route("/{index}/_recovery", None, answers.texts),
    *(
        _route(f"/{{index}}/{each}/{{target}}", bodies.create, answers.texts)
        for each in ("_clone", "_split", "_shrink")
    ),
    _route("/{index}/_rollover", bodies.create, answers.texts),
    _route("/{index}/_rollover/{target}", bodies.create, answers.texts),
    _route("/{index}/_count", bodies.query),
    _route("/{index}/_search", bodies.query, searches=True),
    _route("/{index}/_search/point_in_time"),
    _route("/{index}/_search/template", bodies.stored),
    _route("/{index}/_mget", bodies.mget),
    _route("/{index}/_doc"),
    _route("/{index}/_doc/{*id}"),
    _route("/{index}/_create/{*id}"),
    _route("/{index}/_update/{*id}", bodies.update),
    _route("/{index}/_bulk"),
    _route("/_bulk"),
    _route("/_reindex", bodies.reindex, answers.texts),
    _route("/{index}/_update_by_query", bodies.query, answers.texts),
    _route("/{index}/_delete_by_query", bodies.query, answers.texts),
    # Of a point in time, whose index was named when it was made.
    _route("/_search", bodies.query, searches=True),
    _route("/_search/point_in_time"),
    *_every("/_data_stream", _same, answers.listed("data_streams")),
    *_every(
        "/_index_template",
        bodies.template,
        answers.listed("index_templates", "index_template", bodies.template),
    ),
    *_every(
        "/_component_template",
        bodies.template,
        answers.listed("component_templates", "component_template", bodies.template),
    ),
    *_every("/_template", bodies.template, answers.named(bodies.template)),
    *_every("/_ingest/pipeline", bodies.processors, answers.named(bodies.processors)),
    *_every("/_search/pipeline", bodies.processors, answers.named(bodies.processors)),
    _route("/_scripts/{script}", bodies.stored_script),
    _route("/_scripts/{script}/{*context}", bodies.stored_script),
    _route("/_snapshot/{*repository}/{snapshot}", bodies.snapshot, answers.texts),
    _route("/_cluster/health/{index}"),
    _route("/_cluster/state/metadata", None, answers.scripts),
    _route("/_nodes/stats/fs"),
    _route("/_tasks", None, answers.tasks),
    _route("/_tasks/{*task}", None, answers.texts),
    _route("/_tasks/{*task}/_cancel", None, answers.texts),
    _route("/.tasks/_refresh"),
    _route("/.tasks/_search", None, answers.finished_tasks),
)


def route_of(parts: tuple[str, ...]) -> Route | None:
    """Return the route of a path, decoded; None where there is none."""
    return next((each for each in _of_length(len(parts)) if _fits(each, parts)), None)


def _fits(route: Route, parts: tuple[str, ...]) -> bool:
    return all(
        form == given or form.startswith("{*") or (is_name(form) and not given.startswith("_"))
        for form, given in zip(route.path, parts, strict=True)
    )


@cache
def _of_length(parts: int) -> tuple[Route, ...]:
    """Return the routes of as many parts, those that say more of them first."""
    found = [each for each in ROUTES if len(each.path) == parts]
    return tuple(sorted(found, key=lambda each: sum(part.startswith("{") for part in each.path)))
