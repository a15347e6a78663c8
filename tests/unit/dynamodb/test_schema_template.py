"""Shapes and resources of a template are two ways to say one thing; what the server describes is a third."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.engines.dynamodb.schema import current, template
from seedbed.engines.dynamodb.schema.shape import HISTORY_TABLE, IndexShape, Key, Projection, TableShape
from seedbed.errors import Refused

COURSES = TableShape(
    "courses",
    Key(("course_id",), ("part",)),
    {"country": "S", "course_id": "S", "created_at": "N", "part": "S", "teacher_id": "S"},
    global_indexes=(
        IndexShape("by_place", Key(("country", "teacher_id"), ("created_at",)), Projection("INCLUDE", ("price", "title"))),
        IndexShape("by_teacher", Key(("teacher_id",)), Projection("KEYS_ONLY")),
    ),
    local_indexes=(IndexShape("by_age", Key(("course_id",), ("created_at",))),),
    ttl="expires_at",
    stream="NEW_IMAGE",
)  # fmt: skip


def test_a_shape_becomes_the_properties_of_a_resource() -> None:
    assert template.properties(COURSES) == {
        "KeySchema": [
            {"AttributeName": "course_id", "KeyType": "HASH"},
            {"AttributeName": "part", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "country", "AttributeType": "S"},
            {"AttributeName": "course_id", "AttributeType": "S"},
            {"AttributeName": "created_at", "AttributeType": "N"},
            {"AttributeName": "part", "AttributeType": "S"},
            {"AttributeName": "teacher_id", "AttributeType": "S"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by_place",
                "KeySchema": [
                    {"AttributeName": "country", "KeyType": "HASH"},
                    {"AttributeName": "teacher_id", "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["price", "title"]},
            },
            {
                "IndexName": "by_teacher",
                "KeySchema": [{"AttributeName": "teacher_id", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
        ],
        "LocalSecondaryIndexes": [
            {
                "IndexName": "by_age",
                "KeySchema": [
                    {"AttributeName": "course_id", "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
    }


@pytest.mark.parametrize("table", [COURSES, HISTORY_TABLE])
def test_a_shape_comes_back_from_its_resource(table: TableShape) -> None:
    resource = {
        "Type": template.TYPE,
        "Metadata": template.metadata(table),
        "Properties": template.properties(table),
    }
    assert template.shape("AnyId", resource) == table


def test_a_table_has_the_name_that_is_noted_or_else_that_its_own_name_holds() -> None:
    def named(**resource: Any) -> str:
        return template.name_of("CoursesTable1A2B", resource, service="tutor-matching", environment="dev-ana")

    physical = {"TableName": "tutor-matching-profiles-dev-ana"}
    assert named(Metadata={"seedbed": {"table": "noted"}}, Properties=physical) == "noted"
    assert named(Metadata={"aws:cdk:path": "x"}, Properties=physical) == "profiles"
    assert named(Properties={"TableName": "another-one"}) == "another-one"
    assert named(Properties={"TableName": {"Fn::Sub": "${X}"}}) == "CoursesTable1A2B"
    assert named() == "CoursesTable1A2B"


def test_order_and_leftovers_of_a_template_make_no_difference() -> None:
    declared = template.properties(COURSES)
    declared["GlobalSecondaryIndexes"].reverse()
    declared["AttributeDefinitions"] = [
        *reversed(declared["AttributeDefinitions"]),
        {"AttributeName": "unused", "AttributeType": "S"},
    ]
    declared["GlobalSecondaryIndexes"][1]["Projection"]["NonKeyAttributes"].reverse()
    assert template.described("courses", declared) == COURSES


def test_items_do_not_expire_by_what_is_switched_off() -> None:
    declared = template.properties(COURSES)
    declared["TimeToLiveSpecification"]["Enabled"] = False
    assert template.described("courses", declared).ttl == ""


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"KeySchema": {"Fn::If": ["A", [], []]}},
        {"KeySchema": [{"AttributeName": {"Ref": "Key"}, "KeyType": "HASH"}]},
        {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "AttributeDefinitions": []},
    ],
)
def test_a_table_that_is_not_written_out_is_refused_by_name(properties: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="the table CoursesTable is declared in a way that cannot be compared"):
        template.shape("CoursesTable", {"Type": template.TYPE, "Properties": properties})


def _description(**changes: Any) -> dict[str, Any]:
    declared = template.properties(COURSES)
    return {
        "TableName": "courses-courses-dev-ana",
        "TableStatus": "ACTIVE",
        "ItemCount": 7,
        "TableSizeBytes": 700,
        "AttributeDefinitions": declared["AttributeDefinitions"],
        "KeySchema": declared["KeySchema"],
        "LocalSecondaryIndexes": [
            {**each, "IndexSizeBytes": 10, "ItemCount": 7} for each in declared["LocalSecondaryIndexes"]
        ],
        "GlobalSecondaryIndexes": [
            {**each, "IndexStatus": "ACTIVE", "IndexSizeBytes": 20, "ItemCount": 5}
            for each in declared["GlobalSecondaryIndexes"]
        ],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        **changes,
    }


def test_a_live_table_has_the_shape_that_was_declared() -> None:
    ttl = {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    assert current.described(_description(), ttl, name="courses") == COURSES
    assert current.described(_description(), ttl).name == "courses-courses-dev-ana"


@pytest.mark.parametrize(
    ("status", "attribute"),
    [("ENABLED", "expires_at"), ("ENABLING", "expires_at"), ("DISABLING", ""), ("DISABLED", "")],
)
def test_items_expire_as_soon_as_that_is_asked_for_and_no_longer(status: str, attribute: str) -> None:
    ttl = {"TimeToLiveStatus": status, "AttributeName": "expires_at"}
    assert current.described(_description(), ttl).ttl == attribute
    assert current.described(_description(), None).ttl == ""


def test_an_index_that_is_being_deleted_is_gone_and_its_keys_with_it() -> None:
    description = _description()
    description["GlobalSecondaryIndexes"][0]["IndexStatus"] = "DELETING"
    found = current.described(description)
    assert [each.name for each in found.global_indexes] == ["by_teacher"]
    assert "country" not in found.key_types


def test_a_stream_that_has_ended_is_none() -> None:
    assert current.described(_description(StreamSpecification={"StreamEnabled": False})).stream == ""


def test_each_index_says_how_far_it_is() -> None:
    description = _description(TableStatus="UPDATING")
    description["GlobalSecondaryIndexes"][0] |= {"IndexStatus": "CREATING", "Backfilling": True}
    found = current.states(description)
    assert found[""] == current.TableState("UPDATING", items=7, bytes_=700)
    assert found["by_place"] == current.TableState("CREATING", is_backfilling=True, items=5, bytes_=20)
    assert found["by_age"] == current.TableState("ACTIVE", items=7, bytes_=10)
    assert [name for name, each in found.items() if each.is_ready] == ["by_teacher", "by_age"]


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["AttributeName", "KeyType", "IndexName", "KeySchema", "Projection", "Ref"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "KeySchema",
                "AttributeDefinitions",
                "GlobalSecondaryIndexes",
                "StreamSpecification",
                "TimeToLiveSpecification",
            ]
        ),
        _anything,
    )
)
def test_whatever_stands_in_a_resource_it_is_a_shape_or_a_refusal(properties: dict[str, Any]) -> None:
    try:
        assert isinstance(template.shape("Id", {"Type": template.TYPE, "Properties": properties}), TableShape)
    except Refused as refused:
        assert "Id" in refused.what  # noqa: PT017  # one of two good ends
