"""What mappings of Elasticsearch have and those of OpenSearch lack, each with what to use. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from seedbed.engines.opensearch.schema.fields import placed

_VECTOR = 'type = "knn_vector"'
_TYPES = {
    "flattened": 'type = "flat_object"',
    "dense_vector": _VECTOR,
    "rank_vectors": _VECTOR,
    "bbq_flat": _VECTOR,
    "semantic_text": 'type = "knn_vector", filled by an ingest pipeline with a text_embedding processor',
    "aggregate_metric_double": 'type = "double" for each of min, max, sum and value_count',
    "histogram": 'type = "double", and an aggregation when it is read',
    "counted_keyword": 'type = "keyword"',
    "passthrough": 'type = "object"',
    "shape": 'type = "xy_shape"',
    "point": 'type = "xy_point"',
    "exponential_histogram": 'type = "double", and an aggregation when it is read',
    "pattern_text": 'type = "match_only_text"',
}
_SECTIONS = {
    "runtime": "derived: {NAME: {type, script}}",
    "subobjects": "name fields with dots inside of an object of type flat_object",
}


class ForeignField(Struct, frozen=True):
    """What of a mapping OpenSearch lacks. `keys` lead to it; `instead`: what OpenSearch has."""

    keys: tuple[str, ...]
    what: str
    instead: str


def foreign_types(mappings: Mapping[str, Any]) -> Iterator[ForeignField]:
    """Yield everything in `mappings` that only Elasticsearch has."""
    for key, instead in _SECTIONS.items():
        if key in mappings:
            yield ForeignField((key,), f"mappings: there is no section {key}", instead)
    for each in placed(mappings):
        kind = each.definition.get("type")
        if isinstance(kind, str) and kind in _TYPES:
            yield ForeignField(each.keys, f"{each.path}: there is no type {kind}", _TYPES[kind])
