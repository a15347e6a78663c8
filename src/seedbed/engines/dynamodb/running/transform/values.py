"""What is done with items as the server says them: compared, and called by their keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

Attribute = Mapping[str, Any]  # {type: value}
Item = Mapping[str, Attribute]

_WORDS = {"S": "text", "N": "a number", "B": "bytes"}


def same(one: Attribute | None, other: Attribute | None) -> bool:
    """Return whether two attributes are equal as the server compares them: 1 and 1.0 are, and sets have no order."""
    if one is None or other is None:
        return one is other
    ((kind, value),), ((other_kind, other_value),) = one.items(), other.items()
    if kind != other_kind:
        return False
    match kind:
        case "N":
            return Decimal(value) == Decimal(other_value)
        case "NS":
            return set(map(Decimal, value)) == set(map(Decimal, other_value))
        case "SS" | "BS":
            return set(value) == set(other_value)
        case "M":
            return value.keys() == other_value.keys() and all(same(value[k], other_value[k]) for k in value)
        case "L":
            return len(value) == len(other_value) and all(map(same, value, other_value))
    return bool(value == other_value)


def same_item(one: Item, other: Item) -> bool:
    return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)


def key_of(item: Item, names: Iterable[str]) -> dict[str, Attribute]:
    """Return the attributes `names` of `item`. Raises KeyError for one that it has not."""
    return {name: item[name] for name in names}


def key_text(key: Item) -> str:
    """Return a key as people read it: `course=c-1 lesson=12`."""
    return " ".join(f"{name}={_plain(value)}" for name, value in key.items())


def key_id(key: Item) -> str:
    """Return a text that two keys share only where they are the same item's."""
    return json.dumps(
        {
            name: str(Decimal(value["N"]).normalize()) if "N" in value else value
            for name, value in key.items()
        },
        sort_keys=True,
        default=repr,
    )


def _plain(attribute: Attribute) -> str:
    ((kind, value),) = attribute.items()
    return str(value) if kind in {"S", "N"} else f"{kind}:{value!s}"


def type_word(kind: str) -> str:
    """Return what people call the type of a key."""
    return _WORDS.get(kind, kind)
