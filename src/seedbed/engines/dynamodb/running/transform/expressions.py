"""The expressions of one write: names and values always by placeholder, within what one request may hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from seedbed.engines.dynamodb.running.transform.values import Attribute, Item

LONGEST = 4096  # bytes of an expression
MOST_OPERATORS = 300  # in an expression, functions included


class ExpressionTooLarge(Exception):
    """A write compares or changes more attributes than one request can hold; `str()` says how many."""


class ComparedAttribute(Struct, frozen=True):
    """What an item has to be like for a write: attributes as they were, None where there was none."""

    attributes: Mapping[str, Attribute | None]

    @classmethod
    def as_it_was(cls, item: Item, names: Iterable[str]) -> ComparedAttribute:
        return cls({name: item.get(name) for name in sorted(names)})


def update(
    table: str,
    key: Item,
    *,
    sets: Mapping[str, Attribute],
    removes: Iterable[str],
    compared: ComparedAttribute,
) -> dict[str, Any]:
    """Return an update of what changed, of an item that is there and is as it was. Raises TooMuch."""
    placeholders = _Placeholders()
    assigned = ", ".join(
        f"{placeholders.name(name)} = {placeholders.value(value)}" for name, value in sets.items()
    )
    removed = ", ".join(map(placeholders.name, removes))
    clauses = [f"SET {assigned}"] if assigned else []
    clauses += [f"REMOVE {removed}"] if removed else []
    text = " ".join(clauses)
    _require_length(text, "changes", len(sets))
    body = {"TableName": table, "Key": dict(key), "UpdateExpression": text}
    return {**body, **_condition(placeholders, key, compared)}


def delete(table: str, key: Item, compared: ComparedAttribute) -> dict[str, Any]:
    """Return a deletion of an item that is as it was. Raises TooMuch."""
    return {"TableName": table, "Key": dict(key), **_condition(_Placeholders(), key, compared)}


def put_new(table: str, item: Item, key_names: Iterable[str]) -> dict[str, Any]:
    """Return a put of an item whose key is not taken yet."""
    first = next(iter(key_names))
    return {
        "TableName": table,
        "Item": dict(item),
        "ConditionExpression": "attribute_not_exists(#0)",
        "ExpressionAttributeNames": {"#0": first},
    }


def version_filter(attribute: str, version: int) -> dict[str, Any]:
    """Return the filter of a scan for items of `version`; an item without the attribute has version 1."""
    text = "#0 = :0 OR attribute_not_exists(#0)" if version == 1 else "#0 = :0"
    return {
        "FilterExpression": text,
        "ExpressionAttributeNames": {"#0": attribute},
        "ExpressionAttributeValues": {":0": {"N": str(version)}},
    }


class _Placeholders:
    """Placeholders for names and values, each name once."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Attribute] = {}

    def name(self, attribute: str) -> str:
        return self.names.setdefault(attribute, f"#{len(self.names)}")

    def value(self, attribute: Attribute) -> str:
        placeholder = f":{len(self.values)}"
        self.values[placeholder] = attribute
        return placeholder


def _condition(placeholders: _Placeholders, key: Item, compared: ComparedAttribute) -> dict[str, Any]:
    first = next(iter(key))
    conditions = [f"attribute_exists({placeholders.name(first)})"]
    for name, value in compared.attributes.items():
        if value is None:
            conditions.append(f"attribute_not_exists({placeholders.name(name)})")
        else:
            conditions.append(f"{placeholders.name(name)} = {placeholders.value(value)}")
    text = " AND ".join(conditions)
    _require_length(text, "looks at", len(compared.attributes))
    if 2 * len(conditions) - 1 > MOST_OPERATORS:
        raise ExpressionTooLarge(
            f"it looks at {len(compared.attributes)} attributes, which is too much to compare"
        )
    body: dict[str, Any] = {
        "ConditionExpression": text,
        "ExpressionAttributeNames": {placeholder: name for name, placeholder in placeholders.names.items()},
    }
    if placeholders.values:
        body["ExpressionAttributeValues"] = placeholders.values
    return body


def _require_length(text: str, verb: str, count: int) -> None:
    if len(text) > LONGEST:  # nothing but ASCII is in it
        raise ExpressionTooLarge(f"it {verb} {count} attributes, which is too much for one expression")
