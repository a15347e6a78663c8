"""Convert the cells of a .csv by the mapping of a field, and compare two values of a field."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

_WHOLE = re.compile(r"[+-]?[0-9]+")
_INTEGERS = frozenset({"long", "integer", "short", "byte", "unsigned_long"})
_FLOATS = frozenset({"double", "float", "half_float", "scaled_float", "rank_feature"})
_DOCUMENTS = frozenset(
    {"object", "nested", "flat_object", "knn_vector", "rank_features", "join", "percolator"}
)
# A text of their own ("52.5,13.4", "POINT (13.4 52.5)"), or an object or a list.
_SHAPES = frozenset({"geo_point", "geo_shape", "xy_point", "xy_shape", "completion"})
_LISTED = _INTEGERS | _FLOATS | {"keyword"}
_VECTOR = "knn_vector"

encode = msgspec.json.Encoder(decimal_format="number").encode
decode = msgspec.json.Decoder(float_hook=Decimal).decode  # exact: values are written back as they were read


def read_cell(text: str, mapping: Mapping[str, Any]) -> object:
    """Return the value of the text of a .csv in a field of this mapping. Raises ValueError."""
    kind = mapping.get("type", "object" if "properties" in mapping else "")
    is_open = text[:1] in {"{", "["}
    if kind in _DOCUMENTS or (is_open and (kind in _SHAPES or kind.endswith("_range"))):
        return decode(text)
    if text[:1] == "[" and kind in _LISTED:
        return decode(text)
    if kind in _INTEGERS:
        if not _WHOLE.fullmatch(text):
            raise ValueError(f"a field of type {kind} is a whole number")
        return int(text)
    if kind in _FLOATS:
        return Decimal(text)
    if kind == "boolean":
        if text.lower() not in {"true", "false"}:
            raise ValueError("a boolean is true or false")
        return text.lower() == "true"
    return text


def is_same(stored: Any, wanted: Any, mapping: Mapping[str, Any]) -> bool:
    """Return whether two values are equal: numbers by value, vectors as 32-bit floats."""
    if isinstance(stored, bool) or isinstance(wanted, bool):
        return stored is wanted
    if isinstance(stored, Mapping) and isinstance(wanted, Mapping):
        properties = mapping.get("properties", {})
        return stored.keys() == wanted.keys() and all(
            is_same(value, wanted[name], properties.get(name, {})) for name, value in stored.items()
        )
    if isinstance(stored, list) and isinstance(wanted, list):
        if mapping.get("type") == _VECTOR:
            return _as_vector(stored) == _as_vector(wanted)
        return len(stored) == len(wanted) and all(
            is_same(a, b, mapping) for a, b in zip(stored, wanted, strict=True)
        )
    return bool(stored == wanted)


def _as_vector(values: list[Any]) -> array[float] | list[Any]:
    try:
        return array("f", [float(each) for each in values])
    except (TypeError, ValueError):
        return values
