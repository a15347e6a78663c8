"""Python values <-> attribute values as DynamoDB's JSON has them (`{"N": "42"}`), every number exact.

None, bool, int, Decimal, str, bytes, list, dict and sets of one kind of str, number or bytes. Bytes travel as base64.
A number comes back as int where it is whole, else as Decimal. Floats are refused: what they hold is not what was
written down.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence, Set
from decimal import Decimal, InvalidOperation
from typing import Any

from seedbed.errors import StepFailed, Unreachable
from seedbed.support.phrases import shorten

Attribute = dict[str, Any]  # one attribute value, ready for JSON
Item = dict[str, Attribute]

DIGITS = 38  # significant ones of a number
_LARGEST, _SMALLEST = 125, -130  # exponents of the first digit
_PLAIN = 10**DIGITS  # below it, an int is its own shortest form
_CANONICAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?").fullmatch


class InvalidValue(StepFailed):
    """A value that no attribute can hold."""


def to_item(values: Mapping[str, Any]) -> Item:
    """Return the attribute values of a whole item. Raises InvalidValue naming the attribute."""
    try:
        return _fields(values)
    except (KeyError, InvalidValue):  # rare: a subclass, or no value at all
        return {name: to_attribute(value, name) for name, value in values.items()}


def to_attribute(value: object, path: str = "the value") -> Attribute:
    """Return the attribute value of `value`; `path` names it in errors. Raises InvalidValue."""
    try:
        return _TO[type(value)](value)
    except (KeyError, InvalidValue):
        return _searched(value, path)


def from_item(item: Mapping[str, Attribute]) -> dict[str, Any]:
    """Return an item's values by their names. Raises Unreachable for what DynamoDB cannot have answered."""
    try:
        return {name: from_attribute(attribute) for name, attribute in item.items()}
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unreachable(
            "what answered is not DynamoDB",
            because=f"it returned an item whose values are none: {error}",
            try_="check HTTPS_PROXY, and AWS_ENDPOINT_URL where it is set",
        ) from None


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """Return the value of one attribute value. Raises ValueError for a type that DynamoDB does not have."""
    ((kind, value),) = attribute.items()
    try:
        return _FROM[kind](value)
    except KeyError:
        if kind in _FROM:
            raise
        raise ValueError(f"{kind!r} is not a type of an attribute value") from None


# Writing


def _fields(values: Mapping[str, Any]) -> Item:
    """Return the attribute values of an item's or a map's members. Raises KeyError for a type that is not built in.

    A volume load spends most of its time here: what most values are is written out.
    """
    made: Item = {}
    for name, value in values.items():
        kind = type(value)
        if kind is str:
            made[name] = {"S": value}
        elif kind is int and -_PLAIN < value < _PLAIN:
            made[name] = {"N": str(value)}
        else:
            made[name] = _TO[kind](value)
    return made


def _int(value: int) -> Attribute:
    return {"N": str(value) if -_PLAIN < value < _PLAIN else _number(Decimal(value))}


def _decimal(value: Decimal) -> Attribute:
    text = str(value)
    is_canonical = len(text) < DIGITS and _CANONICAL(text) and text != "-0"
    return {"N": text if is_canonical else _number(value)}


def _number(value: Decimal) -> str:
    """Return `value` as DynamoDB reads it. Raises InvalidValue where it cannot hold it exactly."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise InvalidValue(f"{value} is not a number", because="DynamoDB has no infinity and no NaN")
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return "0"
    kept = text.rstrip("0")
    exponent += len(text) - len(kept)
    first = exponent + len(kept) - 1
    if len(kept) > DIGITS or not _SMALLEST <= first <= _LARGEST:
        raise InvalidValue(
            f"{shorten(str(value), 50)} is out of range",
            because=f"a number has {DIGITS} significant digits at most, between 1E{_SMALLEST} and 1E{_LARGEST + 1}",
            try_="round it, or keep it as text",
        )
    minus = "-" if sign else ""
    if 0 <= exponent <= DIGITS - len(kept):  # boto3 reads no longer ones
        return f"{minus}{kept}{'0' * exponent}"
    if -DIGITS <= exponent < 0 and first >= -6:
        padded = kept.rjust(1 - exponent, "0")
        return f"{minus}{padded[:exponent]}.{padded[exponent:]}"
    return f"{minus}{kept}E{exponent}"


def _binary(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _dict(value: dict[Any, Any]) -> Attribute:
    for name in value:
        if type(name) is not str:
            raise InvalidValue(f"{name!r} is not a name", because="names of a map are text")
    return {"M": _fields(value)}


def _list(value: Sequence[Any]) -> Attribute:
    return {"L": [_TO[type(each)](each) for each in value]}


def _set(value: Set[Any]) -> Attribute:
    kinds = set(map(type, value))
    if kinds == {str}:
        return {"SS": sorted(value)}
    if kinds and kinds <= {int, Decimal}:
        return {"NS": [_TO[type(each)](each)["N"] for each in sorted(value)]}
    if kinds == {bytes}:
        return {"BS": [_binary(each) for each in sorted(value)]}
    if not kinds:
        raise InvalidValue(
            "the set is empty",
            because="DynamoDB has no empty sets",
            try_="leave the attribute out of the item",
        )
    raise InvalidValue(
        f"the set mixes {', '.join(sorted(each.__name__ for each in kinds))}",
        because="a set holds text, or numbers, or bytes",
        try_="make it a list",
    )


_TO: dict[type[Any], Callable[[Any], Attribute]] = {
    str: lambda value: {"S": value},
    int: _int,
    bool: lambda value: {"BOOL": value},
    type(None): lambda _: {"NULL": True},
    Decimal: _decimal,
    bytes: lambda value: {"B": _binary(value)},
    bytearray: lambda value: {"B": _binary(value)},
    memoryview: lambda value: {"B": _binary(value)},
    dict: _dict,
    list: _list,
    tuple: _list,
    set: _set,
    frozenset: _set,
}


def _searched(value: object, path: str) -> Attribute:
    """Return the attribute value the slow way: subclasses become what they are, and errors say where."""
    match value:
        case Mapping():
            for name in value:
                if not isinstance(name, str):
                    raise InvalidValue(f"{path} has the name {name!r}", because="names of a map are text")
            return {"M": {str(name): _searched(each, f"{path}.{name}") for name, each in value.items()}}
        case list() | tuple():
            return {"L": [_searched(each, f"{path}[{at}]") for at, each in enumerate(value)]}
        case float():
            raise InvalidValue(
                f"{path} is a float: {value!r}",
                because="DynamoDB's numbers are exact decimals, and a float is not",
                try_=f'Decimal("{value!r}")',
            )
    plain = _plain(value)
    try:
        return _TO[type(plain)](plain)
    except KeyError:
        raise InvalidValue(
            f"{path} is a {type(value).__name__}",
            because="an attribute holds None, bool, int, Decimal, str, bytes, a list, a dict or a set",
            try_=f"str({path.rpartition('.')[2]}), or whatever form readers of the table expect",
        ) from None
    except InvalidValue as error:
        raise InvalidValue(f"{path}: {error.what}", because=error.because, try_=error.try_) from None


def _plain(value: object) -> object:
    """Return an enum's or another subclass's value as the built-in type that it extends."""
    if isinstance(value, set | frozenset):
        return {_plain(each) for each in value}
    # Not `str(value)`: it may print itself as something else (an enum of texts does, on some versions).
    match value:
        case bool():
            return value
        case int():
            return int(value)
        case str():
            return str.__str__(value)
        case bytes():
            return bytes(value)
        case Decimal():
            return Decimal(value)
    return value


# Reading


def _from_number(text: str) -> int | Decimal:
    try:
        return int(text)
    except ValueError:
        return _whole(Decimal(text))


def _whole(number: Decimal) -> int | Decimal:
    try:
        return int(number) if number == number.to_integral_value() else number
    except InvalidOperation:  # more digits than the context has: whatever DynamoDB holds has fewer
        return number


_FROM: dict[str, Callable[[Any], Any]] = {
    "S": lambda value: value,
    "N": _from_number,
    "BOOL": lambda value: value,
    "NULL": lambda _: None,
    "B": b64decode,
    "M": from_item,
    "L": lambda value: [from_attribute(each) for each in value],
    "SS": set,
    "NS": lambda value: {_from_number(each) for each in value},
    "BS": lambda value: {b64decode(each) for each in value},
}
