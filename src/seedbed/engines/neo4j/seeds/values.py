"""Values of a column, as Neo4j keeps them: checked and converted a column at a time, so that volume stays cheap.

Neo4j knows no types of columns. What a property becomes is what the value is: in .json and .py as it is written, in
.csv text, unless the column has a type.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any, TypeVar

from seedbed.support.phrases import shorten

_PLAIN = frozenset({str, bool, float, bytes, type(None)})
_LISTED = frozenset({str, bool, float})
_LEAST, _MOST = -(2**63), 2**63 - 1
_Z = TypeVar("_Z", time, datetime)
_SEPARATOR = ";"  # between the members of a list in a .csv, as neo4j-admin has it


class InvalidValue(ValueError):
    """A value that Neo4j cannot store: `str()` is the reason, `index` is its place in the column."""

    def __init__(self, because: str, index: int) -> None:
        super().__init__(because)
        self.index = index


def fitted(values: Sequence[object], type_: str, *, is_cell: bool) -> Sequence[object]:
    """Return `values` as the driver takes them, the same object where there is nothing to do. Raises InvalidValue.

    `type_` as in the column's name, "" for none; `is_cell`: they stood in a .csv, where everything is text.
    """
    if not type_ and _is_plain(values):
        return values
    convert = _converter(type_, is_cell=is_cell)
    found: list[object] = []
    for index, value in enumerate(values):
        try:
            found.append(None if value is None else convert(value))
        except (ValueError, TypeError, ArithmeticError) as wrong:
            raise InvalidValue(_because(value, type_, wrong), index) from None
    return found


def _is_plain(values: Sequence[Any]) -> bool:
    """Return whether the driver takes all of `values` as they are; quick, for volume."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return _are_whole(values)
    if list in kinds:
        lists = values if len(kinds) == 1 else [each for each in values if type(each) is list]
        within = set(map(type, chain.from_iterable(lists)))
        if within == {int}:
            if not _are_whole(list(chain.from_iterable(lists))):
                return False
        elif len(within) > 1 or not within <= _LISTED:
            return False
        kinds.discard(list)
    if int in kinds:
        kinds.discard(int)
        if not _are_whole([each for each in values if type(each) is int]):
            return False
    return kinds <= _PLAIN


def _are_whole(values: Sequence[int]) -> bool:
    return min(values) >= _LEAST and max(values) <= _MOST


def is_type(name: str) -> bool:
    """Return whether `name` is a type that a column may have."""
    return name.removesuffix("[]") in TYPES


def _because(value: object, type_: str, wrong: Exception) -> str:
    shown = shorten(repr(value), 40)
    return f"{shown} is not of type {type_}: {wrong}" if type_ else f"{shown}: {wrong}"


def _converter(type_: str, *, is_cell: bool) -> Callable[[Any], object]:
    if not type_:
        return _plain
    one = TYPES[type_.removesuffix("[]")]
    if not type_.endswith("[]"):
        return one

    def many(value: object) -> object:
        if is_cell and isinstance(value, str):
            value = [each.strip() for each in value.split(_SEPARATOR)] if value else []
        if not isinstance(value, list | tuple):
            raise TypeError("it is not a list")
        return [one(each) for each in value]

    return many


# values without a type


def _plain(value: object) -> object:
    match value:
        case bool() | str() | bytes() | float() | None:
            return value
        case int():
            return _whole(value)
        case Decimal():
            return _number(value)
        case list() | tuple():
            return _listed(value)
        case Mapping():
            raise TypeError(
                "a property holds no map: say `:point` behind the column's name where it is one, give each of its"
                " names a property, or make it a node"
            )
    return value


def _listed(values: Sequence[object]) -> list[object]:
    """Return a list of one kind of values: Neo4j keeps no others."""
    found = [_plain(each) for each in values]
    kinds = set(map(type, found))
    if kinds <= {int, float}:
        # mypy does not see that `kinds` holds what all of them are.
        return [float(each) for each in found] if float in kinds else found  # type: ignore[arg-type]  # see above
    if len(kinds) > 1:
        raise TypeError("the members of a list are of one kind, and none of them is null")
    if kinds & {list, type(None)}:
        raise TypeError("a list of a property holds neither lists nor nulls")
    return found


def _whole(value: int) -> int:
    if not _LEAST <= value <= _MOST:
        raise OverflowError("it has more than 64 bits")
    return value


def _number(value: Decimal) -> float:
    """Return the float that is written like `value`: Neo4j has no exact fractions."""
    found = float(value)
    if not math.isfinite(found) or Decimal(repr(found)) != value:
        raise ValueError("Neo4j stores numbers as 64-bit floats, and this one has no exact float")
    return found


# values with a type


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is not a string")
    return value


def _int(value: object) -> int:
    if isinstance(value, Decimal) and value.is_finite() and not _LEAST <= value <= _MOST:
        raise OverflowError("it has more than 64 bits")  # before 1e999999999 is written out as an integer
    if isinstance(value, str) or (isinstance(value, Decimal) and value == value.to_integral_value()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("it is not an integer")
    return _whole(value)


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError("it is not a number")
    if not isinstance(value, str):
        return float(value)
    try:
        return _number(Decimal(value))
    except InvalidOperation:  # no ValueError
        raise ValueError("it is not a number") from None


def _boolean(value: object) -> bool:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise TypeError("it is true or false")
    return value


def _date(value: object) -> date:
    return date.fromisoformat(_string(value))


def _time(value: object) -> object:
    from neo4j.time import Time

    # The driver sends no native time with an offset.
    return Time.from_iso_format(_zoned(time.fromisoformat(_string(value)), is_zoned=True).isoformat())


def _local_time(value: object) -> time:
    return _zoned(time.fromisoformat(_string(value)), is_zoned=False)


def _datetime(value: object) -> datetime:
    return _zoned(datetime.fromisoformat(_string(value)), is_zoned=True)


def _local_datetime(value: object) -> datetime:
    return _zoned(datetime.fromisoformat(_string(value)), is_zoned=False)


def _zoned(found: _Z, *, is_zoned: bool) -> _Z:
    if (found.tzinfo is not None) != is_zoned:
        raise ValueError("it has no offset from UTC" if is_zoned else "it has an offset from UTC")
    return found


def _duration(value: object) -> object:
    from neo4j.time import Duration

    return Duration.from_iso_format(_string(value))


def _point(value: object) -> object:
    """Return the point of {"longitude", "latitude"[, "height"]} or {"x", "y"[, "z"]}; in a .csv, that as JSON."""
    from neo4j.spatial import CartesianPoint, WGS84Point

    if isinstance(value, str):
        value = json.loads(value)
    if isinstance(value, Mapping):
        for make, names in (
            (WGS84Point, ("longitude", "latitude", "height")),
            (CartesianPoint, ("x", "y", "z")),
        ):
            if set(names[:2]) <= set(value) <= set(names):
                return make([_float(value[name]) for name in names if name in value])
    raise ValueError("it has longitude, latitude and perhaps height; or x, y and perhaps z")


TYPES: Mapping[str, Callable[[Any], object]] = {
    "string": _string,
    "int": _int,
    "float": _float,
    "boolean": _boolean,
    "date": _date,
    "time": _time,
    "localtime": _local_time,
    "datetime": _datetime,
    "localdatetime": _local_datetime,
    "duration": _duration,
    "point": _point,
}
