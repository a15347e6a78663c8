"""The expressions of a write: placeholders only, and never more than a request may hold."""

from __future__ import annotations

import re
from typing import Any

import pytest

from seedbed.engines.dynamodb.running.transform import expressions
from seedbed.engines.dynamodb.running.transform.expressions import ComparedAttribute, ExpressionTooLarge
from seedbed.engines.dynamodb.wire.values import to_item

KEY = to_item({"id": "1"})


def resolved(body: dict[str, Any], expression: str) -> str:
    """Return an expression with its placeholders filled in."""
    names, values = body.get("ExpressionAttributeNames", {}), body.get("ExpressionAttributeValues", {})
    text = re.sub(r"#\d+", lambda found: names[found[0]], body[expression])
    return re.sub(r":\d+", lambda found: str(next(iter(values[found[0]].values()))), text)


def test_an_update_says_what_changes_and_what_has_to_be_as_it_was() -> None:
    item = to_item({"id": "1", "size": 1, "name": "a"})
    body = expressions.update(
        "t",
        KEY,
        sets=to_item({"size": 2}),
        removes=["name"],
        compared=ComparedAttribute.as_it_was(item, ["size", "name", "gone"]),
    )
    assert resolved(body, "UpdateExpression") == "SET size = 2 REMOVE name"
    assert (
        resolved(body, "ConditionExpression")
        == "attribute_exists(id) AND attribute_not_exists(gone) AND name = a AND size = 1"
    )


@pytest.mark.parametrize("name", ["size", "a.b", "a-b", "#x", ":y", "käse", "a b"])
def test_no_name_of_an_attribute_stands_in_an_expression(name: str) -> None:
    item = to_item({"id": "1", name: 1})
    body = expressions.update(
        "t", KEY, sets=to_item({name: 2}), removes=[], compared=ComparedAttribute.as_it_was(item, [name])
    )
    assert re.fullmatch(r"SET #\d = :\d", body["UpdateExpression"])
    assert name in body["ExpressionAttributeNames"].values()


def test_a_deletion_and_a_new_item_have_their_conditions() -> None:
    body = expressions.delete("t", KEY, ComparedAttribute.as_it_was(to_item({"a": 1}), ["a"]))
    assert resolved(body, "ConditionExpression") == "attribute_exists(id) AND a = 1"
    put = expressions.put_new("t", to_item({"id": "1", "n": 2}), ("id", "n"))
    assert resolved(put, "ConditionExpression") == "attribute_not_exists(id)"


def test_a_deletion_without_conditions_sends_no_empty_map() -> None:
    assert "ExpressionAttributeValues" not in expressions.delete("t", KEY, ComparedAttribute({}))


def test_as_much_as_a_request_holds_is_compared_and_no_more() -> None:
    item = to_item({f"a{number}": number for number in range(150)})
    assert expressions.delete("t", KEY, ComparedAttribute.as_it_was(item, list(item)[:149]))
    with pytest.raises(ExpressionTooLarge, match="looks at 150 attributes"):
        expressions.delete("t", KEY, ComparedAttribute.as_it_was(item, item))


def test_more_changes_than_an_expression_holds_are_refused() -> None:
    sets = to_item({f"a{number}": number for number in range(500)})
    with pytest.raises(ExpressionTooLarge, match="changes 500 attributes"):
        expressions.update("t", KEY, sets=sets, removes=[], compared=ComparedAttribute({}))


@pytest.mark.parametrize(("version", "text"), [(1, "v = 1 OR attribute_not_exists(v)"), (2, "v = 2")])
def test_items_without_a_version_are_found_with_the_first(version: int, text: str) -> None:
    body = expressions.version_filter("v", version)
    assert resolved(body, "FilterExpression") == text
