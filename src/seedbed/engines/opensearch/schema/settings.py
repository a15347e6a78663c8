"""Index settings, flat and normalized, and which of them an open index accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_DYNAMIC = frozenset(
    {
        "auto_expand_replicas",
        "default_pipeline",
        "final_pipeline",
        "gc_deletes",
        "hidden",
        "max_adjacency_matrix_filters",
        "max_docvalue_fields_search",
        "max_inner_result_window",
        "max_ngram_diff",
        "max_refresh_listeners",
        "max_regex_length",
        "max_rescore_window",
        "max_result_window",
        "max_script_fields",
        "max_shingle_diff",
        "max_slices_per_pit",
        "max_slices_per_scroll",
        "max_terms_count",
        "number_of_replicas",
        "priority",
        "query.default_field",
        "refresh_interval",
        "search.idle.after",
    }
)
_DYNAMIC_GROUPS = (
    "highlight.",
    "indexing.slowlog.",
    "knn.algo_param.ef_search",
    "knn.advanced.",
    "mapping.depth.limit",
    "mapping.dimension_fields.limit",
    "mapping.field_name_length.limit",
    "mapping.ignore_malformed",
    "mapping.nested_fields.limit",
    "mapping.nested_objects.limit",
    "mapping.total_fields.limit",
    "merge.",
    "routing.",
    "search.default_pipeline",
    "search.slowlog.",
    "translog.",
    "unassigned.",
)
# Set only once an index is filled: they cost time, or would change documents that are final already.
DEFERRED = (
    "number_of_replicas",
    "auto_expand_replicas",
    "refresh_interval",
    "default_pipeline",
    "final_pipeline",
)
PIPELINES = ("default_pipeline", "final_pipeline")
FIXED = (
    "blocks.",
    "creation_date",
    "uuid",
    "provided_name",
    "version.",
    "resize.",
    "history.",
    "replication.type",
)


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `settings` with dotted names, sorted, without `index.` before them."""
    found = {name.removeprefix("index."): value for name, value in _pairs(settings, "")}
    return dict(sorted(found.items()))


def _pairs(settings: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _pairs(value, f"{name}.")
        else:
            yield name, value


def is_dynamic(name: str) -> bool:
    """Return whether an open index accepts another value of the flat setting `name`."""
    return name in _DYNAMIC or name.startswith(_DYNAMIC_GROUPS)


def is_fixed(name: str) -> bool:
    """Return whether the flat setting `name` is set by OpenSearch, or by seedbed itself."""
    return name.startswith(FIXED)


def normalized(value: Any) -> Any:
    """Return a setting's value as OpenSearch stores it: as text, so that 1 and "1", true and "true" are equal."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return [normalized(each) for each in value]
    return None if value is None else str(value)
