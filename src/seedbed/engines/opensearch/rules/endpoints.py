"""The requests that a migration may hold: each endpoint with what it does, to what, and by which parameters. Pure.

A request that is not in this table is refused: what it reaches is not known. The page of the reference lists the same.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import cache

from msgspec import Struct

from seedbed.engines.opensearch.files.request import Request


class Effect(Enum):
    """What a request does."""

    CREATES_INDEX = auto()
    REMOVES_INDEX = auto()
    CHANGES_ALIASES = auto()
    ROLLS_OVER = auto()  # to the next index of an alias
    CREATES = auto()  # an object with a name, once
    REMOVES = auto()  # an object with a name
    PUTS = auto()  # the same state, however often
    RUNS_AS_TASK = auto()
    ADDS_DOCUMENT = auto()  # under an id of OpenSearch's
    CREATES_DOCUMENT = auto()
    PUTS_DOCUMENT = auto()
    UPDATES_DOCUMENT = auto()
    WRITES_DOCUMENTS = auto()


class Endpoint(Struct, frozen=True):
    """One endpoint. `path`: its parts; one in braces is a name of that sort, another one stands for itself.

    {index} is one index, alias or data stream, {indexes} a pattern as well, {target}, {alias}, {template}, {pipeline},
    {script}, {stream}, {snapshot} and {repository} are what they say, {id} is any text.
    """

    methods: tuple[str, ...]
    path: tuple[str, ...]
    effect: Effect
    params: frozenset[str] = frozenset()
    has_body: bool = True

    @property
    def operation(self) -> str:
        """The first part that stands for itself, "_mapping"; "" where there is none."""
        return next((each for each in self.path if not is_name(each)), "")

    @property
    def form(self) -> str:
        """Its path: "/{index}/_mapping"."""
        return "/" + "/".join(self.path)

    def __str__(self) -> str:
        return f"{self.methods[0]} {self.form}"


def is_name(part: str) -> bool:
    """Return whether `part` of an endpoint's path stands for a name."""
    return part.startswith("{")


# Understood by every endpoint; `filter_path` is not among them: it would hide failures from the answer.
COMMON = frozenset({"timeout", "master_timeout", "cluster_manager_timeout", "pretty", "human", "error_trace"})
_SHARDS = "wait_for_active_shards"
_WRITE = frozenset(
    {"refresh", "routing", "pipeline", "require_alias", _SHARDS, "if_seq_no", "if_primary_term", "version"}
) | {"version_type"}
_WALK = frozenset(
    {"conflicts", "refresh", "slices", "scroll", "scroll_size", "requests_per_second", "max_docs", "routing"}
) | {_SHARDS, "search_timeout", "pipeline", "q", "df", "analyzer", "default_operator", "lenient"}
_REINDEX = frozenset({"refresh", "slices", "scroll", "requests_per_second", "max_docs", _SHARDS})
_RESIZE = frozenset({_SHARDS, "copy_settings"})


def _endpoint(form: str, effect: Effect, *params: frozenset[str] | str) -> Endpoint:
    """Return the endpoint of `form`, "PUT|POST /{indexes}/_mapping"; `params`: besides the common ones."""
    methods, path = form.split(" ")
    known = frozenset[str]().union(*({each} if isinstance(each, str) else each for each in params))
    return Endpoint(
        tuple(methods.split("|")), tuple(path[1:].split("/")), effect, known, has_body=methods != "DELETE"
    )


ENDPOINTS = (
    _endpoint("PUT /{index}", Effect.CREATES_INDEX, _SHARDS),
    _endpoint("DELETE /{index}", Effect.REMOVES_INDEX),
    _endpoint("POST /_aliases", Effect.CHANGES_ALIASES),
    _endpoint("PUT|POST /{index}/_alias/{alias}", Effect.PUTS),
    _endpoint("PUT|POST /{index}/_aliases/{alias}", Effect.PUTS),
    _endpoint("DELETE /{index}/_alias/{alias}", Effect.REMOVES),
    _endpoint("DELETE /{index}/_aliases/{alias}", Effect.REMOVES),
    _endpoint("PUT|POST /{indexes}/_mapping", Effect.PUTS, "write_index_only"),
    _endpoint("PUT|POST /{indexes}/_mappings", Effect.PUTS, "write_index_only"),
    _endpoint("PUT /{indexes}/_settings", Effect.PUTS, "preserve_existing"),
    _endpoint("PUT /{index}/_block/{block}", Effect.PUTS),
    _endpoint("POST /{index}/_open", Effect.PUTS, _SHARDS),
    _endpoint("POST /{index}/_close", Effect.PUTS, _SHARDS),
    _endpoint("POST /{indexes}/_refresh", Effect.PUTS),
    _endpoint("POST /{indexes}/_flush", Effect.PUTS, "force", "wait_if_ongoing"),
    _endpoint("POST /{indexes}/_cache/clear", Effect.PUTS, "fielddata", "fields", "file", "query", "request"),
    _endpoint(
        "POST /{indexes}/_forcemerge",
        Effect.RUNS_AS_TASK,
        "max_num_segments",
        "only_expunge_deletes",
        "flush",
        "primary_only",
    ),
    _endpoint("PUT|POST /{index}/_clone/{target}", Effect.CREATES, _RESIZE),
    _endpoint("PUT|POST /{index}/_split/{target}", Effect.CREATES, _RESIZE),
    _endpoint("PUT|POST /{index}/_shrink/{target}", Effect.CREATES, _RESIZE),
    _endpoint("POST /{index}/_rollover", Effect.ROLLS_OVER, _SHARDS),
    _endpoint("POST /{index}/_rollover/{target}", Effect.ROLLS_OVER, _SHARDS),
    _endpoint("PUT /_data_stream/{stream}", Effect.CREATES),
    _endpoint("DELETE /_data_stream/{stream}", Effect.REMOVES),
    _endpoint("PUT|POST /_index_template/{template}", Effect.PUTS, "create", "cause"),
    _endpoint("DELETE /_index_template/{template}", Effect.REMOVES),
    _endpoint("PUT|POST /_component_template/{template}", Effect.PUTS, "create"),
    _endpoint("DELETE /_component_template/{template}", Effect.REMOVES),
    _endpoint("PUT|POST /_template/{template}", Effect.PUTS, "create", "order"),
    _endpoint("DELETE /_template/{template}", Effect.REMOVES),
    _endpoint("PUT /_ingest/pipeline/{pipeline}", Effect.PUTS),
    _endpoint("DELETE /_ingest/pipeline/{pipeline}", Effect.REMOVES),
    _endpoint("PUT /_search/pipeline/{pipeline}", Effect.PUTS),
    _endpoint("DELETE /_search/pipeline/{pipeline}", Effect.REMOVES),
    _endpoint("PUT|POST /_scripts/{script}", Effect.PUTS, "context"),
    _endpoint("PUT|POST /_scripts/{script}/{context}", Effect.PUTS),
    _endpoint("DELETE /_scripts/{script}", Effect.REMOVES),
    _endpoint("PUT /_snapshot/{repository}/{snapshot}", Effect.CREATES),
    _endpoint("POST /_snapshot/{repository}/{snapshot}", Effect.CREATES),
    _endpoint("POST /{index}/_doc", Effect.ADDS_DOCUMENT, _WRITE, "op_type"),
    _endpoint("PUT|POST /{index}/_doc/{id}", Effect.PUTS_DOCUMENT, _WRITE, "op_type"),
    _endpoint("PUT|POST /{index}/_create/{id}", Effect.CREATES_DOCUMENT, _WRITE),
    _endpoint("DELETE /{index}/_doc/{id}", Effect.REMOVES, _WRITE),
    _endpoint(
        "POST /{index}/_update/{id}",
        Effect.UPDATES_DOCUMENT,
        _WRITE,
        "retry_on_conflict",
        "lang",
        "_source",
        "_source_includes",
        "_source_excludes",
    ),
    _endpoint("POST|PUT /_bulk", Effect.WRITES_DOCUMENTS, _WRITE),
    _endpoint("POST|PUT /{index}/_bulk", Effect.WRITES_DOCUMENTS, _WRITE),
    _endpoint("POST /_reindex", Effect.RUNS_AS_TASK, _REINDEX),
    _endpoint("POST /{indexes}/_update_by_query", Effect.RUNS_AS_TASK, _WALK),
    _endpoint("POST /{indexes}/_delete_by_query", Effect.RUNS_AS_TASK, _WALK),
)


def endpoint_of(request: Request) -> Endpoint | None:
    """Return the endpoint of `request`; None where it is not in the table. Its names are not checked."""
    return next(
        (
            each
            for each in _of_length(len(request.parts))
            if request.method in each.methods and fits(each, request)
        ),
        None,
    )


def fits(endpoint: Endpoint, request: Request) -> bool:
    """Return whether the path of `request` is that of `endpoint`, by whichever method."""
    return len(endpoint.path) == len(request.parts) and all(
        not given.startswith("_") or form == "{id}" if is_name(form) else form == given
        for form, given in zip(endpoint.path, request.parts, strict=True)
    )


@cache
def _of_length(parts: int) -> tuple[Endpoint, ...]:
    return tuple(each for each in ENDPOINTS if len(each.path) == parts)
