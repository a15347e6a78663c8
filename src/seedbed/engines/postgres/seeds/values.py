"""Values of a seed -> the text that a column's own input function reads (COPY's text format, unescaped)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct


class InvalidValue(ValueError):
    """A value has no text that the column could mean."""


class ColumnShape(Struct, frozen=True):
    """What of a column's type decides how a value is written.

    `is_json`: the type, or an array's element, is json or jsonb. `delimiter`: between an array's elements.
    """

    is_array: bool = False
    is_json: bool = False
    is_text: bool = False
    delimiter: str = ","


def text_of(value: object, shape: ColumnShape, *, is_cell: bool) -> str | None:
    """Return `value` as text, None for NULL. Raises InvalidValue.

    `is_cell`: the value stood in a file of text (.csv), where a string is already in the type's own notation:
    `{"a": 1}` in a jsonb column is an object there, and the string of these characters anywhere else.
    """
    if value is None:
        return None
    if is_cell and isinstance(value, str):
        return _checked(value)
    if shape.is_array:
        return (
            _array(value, shape)
            if isinstance(value, Sequence) and not isinstance(value, str | bytes)
            else _scalar(value)
        )
    if shape.is_json:
        return json_text(value)
    if isinstance(value, Mapping | list | tuple | bytes) and shape.is_text:
        raise InvalidValue(f"it is {_kind(value)}, and the column is text")
    # Vectors, geometry and the like read something close to JSON; what they do not read they refuse.
    return json_text(value) if isinstance(value, Mapping | list | tuple) else _scalar(value)


def invalid_at(values: Sequence[object], shapes: Sequence[ColumnShape], *, is_cell: bool) -> int:
    """Return the place of the first of `values` that has no text."""
    for index, (value, shape) in enumerate(zip(values, shapes, strict=True)):
        try:
            text_of(value, shape, is_cell=is_cell)
        except InvalidValue:
            return index
    raise ValueError("all of them have one")


def json_text(value: object) -> str:
    """Return `value` as JSON with every number exact. Raises InvalidValue."""
    match value:
        case None | bool() | int() | str():
            return _checked(json.dumps(value, ensure_ascii=False))
        case float() | Decimal():
            if not Decimal(value).is_finite():  # math.isfinite takes 1e400 for infinite
                raise InvalidValue(f"{value} is not a number in JSON")
            return str(value)
        case Mapping():
            return (
                "{" + ", ".join(f"{json_text(str(k))}: {json_text(each)}" for k, each in value.items()) + "}"
            )
        case list() | tuple():
            return "[" + ", ".join(map(json_text, value)) + "]"
    raise InvalidValue(f"it is {_kind(value)}, which JSON does not have")


def _scalar(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _checked(value)
        case int() | float() | Decimal():
            return str(value)
        case bytes():
            return f"\\x{value.hex()}"
    raise InvalidValue(f"it is {_kind(value)}, and not a single value")


def _kind(value: object) -> str:
    """Return what `value` is, in the words of a seed's file."""
    match value:
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case bytes():
            return "bytes"
    return f"of type {type(value).__name__}"


def _array(values: Sequence[object], shape: ColumnShape) -> str:
    return "{" + shape.delimiter.join(_element(each, shape) for each in values) + "}"


def _element(value: object, shape: ColumnShape) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list | tuple) and not shape.is_json:
        return _array(value, shape)
    text = json_text(value) if shape.is_json else _scalar(value)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _checked(text: str) -> str:
    if "\0" in text:
        raise InvalidValue("it holds a NUL character, which PostgreSQL has in no text")
    return text
