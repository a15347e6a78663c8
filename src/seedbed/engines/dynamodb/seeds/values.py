"""Values of a row -> Python values that an attribute of the declared type can hold."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, cast

_WHOLE = re.compile(r"[+-]?[0-9]+")
ABSENT = object()  # in place of a value: the item has no such attribute

# By what is declared ("" where nothing is): the types of values that stay as they are.
_AS_IS: Mapping[str, frozenset[type[Any]]] = {
    "": frozenset({str, int, bool, Decimal, bytes}),
    "S": frozenset({str}),
    "N": frozenset({int, Decimal}),
    "B": frozenset({bytes}),
    "BOOL": frozenset({bool}),
}
_WITHIN: Mapping[str, frozenset[type[Any]]] = {
    "": frozenset({dict, list}),
    "M": frozenset({dict}),
    "L": frozenset({list}),
}
_PLAIN = _AS_IS[""]
_NEVER: frozenset[type[Any]] = frozenset()


def staying(kind: str, *, is_cell: bool, is_exact: bool) -> frozenset[type[Any]]:
    """Return the types of values that `fitted` returns as they are, so that most need not be handed to it.

    `is_exact`: what is within lists and maps has no float, and names that are text, as it comes from a .json.
    """
    if is_cell and kind not in {"", "S"}:
        return _NEVER
    found = _AS_IS.get(kind, _NEVER)
    return found | _WITHIN.get(kind, _NEVER) if is_exact else found


def fitted(value: object, kind: str, *, is_cell: bool) -> object:
    """Return `value` as the declared `kind` ("" where none is) wants it.

    `is_cell`: the value stood in a .csv, where everything is text in the type's own notation. Raises ValueError.
    """
    if value is None:
        return None if kind == "NULL" else ABSENT
    if is_cell and isinstance(value, str) and kind not in {"", "S"}:
        value = _read_cell(value, kind)
        if type(value) in _AS_IS.get(kind, _NEVER):
            return value
    found = _made(value, kind)
    if kind and not _is(found, kind):
        raise ValueError(f"it is {_called(found)}, and declared as {_NAMES[kind]} ({kind})")
    if kind in _SETS and isinstance(found, set):
        _require_members(found, kind)
    return found


def _is(value: object, kind: str) -> bool:
    # For Python, a truth value is a number as well.
    return isinstance(value, _TYPES[kind]) and (kind == "BOOL" or not isinstance(value, bool))


def _called(value: object) -> str:
    """Return what a value is, in the words of the declaration."""
    return next((_NAMES[kind] for kind in _TYPES if _is(value, kind)), "of another kind")


def _require_members(members: set[object], kind: str) -> None:
    wrong = next((each for each in members if not _is(each, kind[0])), members)
    if wrong is not members:
        raise ValueError(
            f"one of its members is {_called(wrong)}, and it is declared as {_NAMES[kind]} ({kind})"
        )


def _made(value: object, kind: str) -> object:
    """Return `value` with what documents have no word for (sets, bytes, exact numbers) made of what they have."""
    match kind:
        case "SS" | "NS" | "BS" if isinstance(value, list | tuple):
            if any(isinstance(each, list | tuple | Mapping) for each in value):
                raise ValueError(
                    f"a member of it is a list or a map, and it is declared as {_NAMES[kind]} ({kind})"
                )
            return {_made(each, kind[0]) for each in value}
        case "B" if isinstance(value, str):
            try:
                return base64.b64decode(value, validate=True)
            except ValueError:
                raise ValueError(f"it is not base64, and declared as {_NAMES[kind]} ({kind})") from None
    return _exact(value)


def _exact(value: object) -> object:
    """Return `value` with floats as the decimals that they were written as."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:  # most are of a type itself; a match would ask for each in turn
        return {
            name if type(name) is str else str(name): each if type(each) in _PLAIN else _exact(each)
            for name, each in cast("dict[object, object]", value).items()
        }
    match value:
        case float():
            return Decimal(repr(value))
        case list() | tuple():
            return [_exact(each) for each in value]
        case Mapping():
            return {str(name): _exact(each) for name, each in value.items()}
    return value


def _read_cell(text: str, kind: str) -> object:
    match kind:
        case "N":
            try:
                return int(text) if _WHOLE.fullmatch(text) else Decimal(text)
            except (ValueError, InvalidOperation):  # the first: more digits than Python reads
                raise ValueError("it is not a number, and declared as a number (N)") from None
        case "BOOL":
            if text.lower() not in {"true", "false"}:
                raise ValueError("a BOOL is true or false")
            return text.lower() == "true"
        case "M" | "L" | "SS" | "NS" | "BS":
            try:
                return json.loads(text, parse_float=Decimal)
            except (ValueError, InvalidOperation, RecursionError) as wrong:
                raise ValueError(
                    f"it is not valid JSON, and declared as {_NAMES[kind]} ({kind}): {wrong}"
                ) from None
    return text


_TYPES: Mapping[str, tuple[type[Any], ...]] = {
    "S": (str,),
    "N": (int, Decimal),
    "B": (bytes,),
    "BOOL": (bool,),
    "NULL": (type(None),),
    "M": (dict,),
    "L": (list,),
    "SS": (set,),
    "NS": (set,),
    "BS": (set,),
}
_SETS = frozenset({"SS", "NS", "BS"})
_NAMES = {
    "S": "text",
    "N": "a number",
    "B": "bytes in base64",
    "BOOL": "true or false",
    "NULL": "null",
    "M": "a map",
    "L": "a list",
    "SS": "a set of texts",
    "NS": "a set of numbers",
    "BS": "a set of bytes",
}
