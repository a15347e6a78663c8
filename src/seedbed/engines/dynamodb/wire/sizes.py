"""How large an item is, as DynamoDB counts it: what capacity and the limit of 400 KB go by.

Source: DynamoDB Developer Guide, "DynamoDB item sizes and formats".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LARGEST_ITEM = 400 * 1024  # bytes
_OVERHEAD = 3  # bytes of a list or map, and one more for each member


def item_size(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the bytes of an item of attribute values, names included."""
    return sum(_text(name) + attribute_size(value) for name, value in item.items())


def attribute_size(attribute: Mapping[str, Any]) -> int:
    """Return the bytes of one attribute value."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return _text(value)
        case "N":
            return _number(value)
        case "B":
            return _binary(value)
        case "BOOL" | "NULL":
            return 1
        case "M":
            members = (_text(name) + attribute_size(each) + 1 for name, each in value.items())
            return _OVERHEAD + sum(members)
        case "L":
            return _OVERHEAD + sum(attribute_size(each) + 1 for each in value)
        case "SS":
            return sum(map(_text, value))
        case "NS":
            return sum(map(_number, value))
        case _:
            return sum(map(_binary, value))


def _text(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))


def _number(text: str) -> int:
    """Return about a byte for every two significant digits, and one, and one for a sign."""
    sign = text.startswith("-")
    digits = text.lstrip("-").partition("E")[0]
    whole, point, fraction = digits.partition(".")
    significant = (whole + fraction).lstrip("0") if point else whole.strip("0")
    return (len(significant) + 1) // 2 + 1 + sign


def _binary(base64: str) -> int:
    return len(base64) * 3 // 4 - base64[-2:].count("=")
