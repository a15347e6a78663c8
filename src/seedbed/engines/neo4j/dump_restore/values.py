"""Values of properties <-> JSON. No property is a map: an object of one name is a value that JSON has no word for."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

Encoded = Any  # None, bool, int, float, str, a list or an object of these


def encoded(value: object) -> Encoded:
    """Return `value`, as the driver has it, as JSON. Raises TypeError for what no property can be."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list):  # points and durations are tuples
        return [encoded(each) for each in value]
    if isinstance(value, bytes | bytearray):
        return {"bytes": base64.b64encode(value).decode()}
    return _special(value)


def _special(value: Any) -> Encoded:
    from neo4j.spatial import Point
    from neo4j.time import Date, DateTime, Duration, Time

    if isinstance(value, Point):
        return {"point": [value.srid, *value]}
    if isinstance(value, DateTime):
        zone = getattr(value.tzinfo, "zone", None) or getattr(value.tzinfo, "key", None)
        plain = value.replace(tzinfo=None).iso_format()
        if value.tzinfo is None:
            return {"localdatetime": plain}
        # A name alone is not enough: in the hour that comes twice, the offset says which. The driver shows no
        # difference between Z and a zone called UTC.
        return {"datetime": value.iso_format() + (f"[{zone}]" if zone not in {None, "UTC"} else "")}
    if isinstance(value, Date):
        return {"date": value.iso_format()}
    if isinstance(value, Time):
        return {"time" if value.tzinfo else "localtime": value.iso_format()}
    if isinstance(value, Duration):
        return {"duration": [value.months, value.days, value.seconds, value.nanoseconds]}
    if type(value).__name__ == "Vector":
        return {"vector": [str(value.dtype.value), base64.b64encode(value.raw()).decode()]}
    raise TypeError(f"a property of type {type(value).__name__}")


def decoded(value: Encoded) -> object:
    """Return what `encoded` made of a value."""
    if isinstance(value, list):
        return [decoded(each) for each in value]
    if isinstance(value, Mapping):
        ((kind, held),) = value.items()
        return _DECODERS[kind](held)
    return value


def _point(held: list[Any]) -> object:
    from neo4j.spatial import CartesianPoint, WGS84Point

    srid, *coordinates = held
    return (WGS84Point if srid in {4326, 4979} else CartesianPoint)(coordinates)


def _duration(held: list[int]) -> object:
    from neo4j.time import Duration

    months, days, seconds, nanoseconds = held
    return Duration(months=months, days=days, seconds=seconds, nanoseconds=nanoseconds)


def _date(text: str) -> object:
    from neo4j.time import Date

    return Date.from_iso_format(text)


def _time(text: str) -> object:
    from neo4j.time import Time

    return Time.from_iso_format(text)


def _datetime(text: str) -> object:
    from neo4j.time import DateTime

    bare, _, zone = text.removesuffix("]").partition("[")
    found = DateTime.from_iso_format(bare)
    if zone:
        import pytz  # type: ignore[import-untyped]  # the driver brings it

        return found.astimezone(pytz.timezone(zone))
    # The driver's own zone of offset 0 has a name, and would travel as that.
    return found.replace(tzinfo=UTC) if found.tzinfo and not found.utcoffset() else found


def _vector(held: list[str]) -> object:
    from neo4j.vector import Vector, VectorDType

    dtype, data = held
    return Vector(base64.b64decode(data), VectorDType(dtype))


_DECODERS: Mapping[str, Callable[[Any], object]] = {
    "float": float,
    "bytes": base64.b64decode,
    "point": _point,
    "date": _date,
    "time": _time,
    "localtime": _time,
    "datetime": _datetime,
    "localdatetime": _datetime,
    "duration": _duration,
    "vector": _vector,
}
