"""Items that DynamoDB refuses are found before the first one is written."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.engines.dynamodb.schema.shape import IndexShape, Key, TableShape
from seedbed.engines.dynamodb.seeds.limits import limits_of, refusal

TABLE = TableShape(
    "lessons",
    Key(("course",), ("number",)),
    {"course": "S", "number": "S", "teacher": "S", "since": "B"},
    global_indexes=(IndexShape("by_teacher", Key(("teacher",), ("since",))),),
)
GOOD: dict[str, Any] = {"course": {"S": "c"}, "number": {"S": "1"}}


@pytest.mark.parametrize(
    ("more", "what", "because"),
    [
        ({}, "", ""),
        ({"teacher": {"S": "t"}, "since": {"B": "AA=="}}, "", ""),
        ({"title": {"S": ""}}, "", ""),
        ({"course": {"S": ""}}, "course is empty", "the key of lessons"),
        ({"number": {"S": ""}}, "number is empty", "the key of lessons"),
        ({"teacher": {"S": ""}}, "teacher is empty", "the key of its index by_teacher"),
        ({"since": {"B": ""}}, "since is empty", "the key of its index by_teacher"),
        ({"course": {"S": "x" * 2048}}, "", ""),
        ({"course": {"S": "ü" * 1025}}, "course has 2050 bytes", "2048"),
        ({"number": {"S": "x" * 1025}}, "number has 1025 bytes", "1024"),
        ({"teacher": {"S": "x" * 2049}}, "teacher has 2049 bytes", "by_teacher"),
        ({"text": {"S": "x" * (400 * 1024)}}, "the item has 409 618 bytes", "409 600 (400 KB) at most"),
    ],
)
def test_what_is_refused(more: dict[str, Any], what: str, because: str) -> None:
    found = refusal({**GOOD, **more}, limits_of(TABLE))
    if not what:
        assert found is None
        return
    assert found is not None
    assert found[0] == what
    assert because in found[1]
