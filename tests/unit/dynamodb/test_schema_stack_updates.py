"""Updates of whole templates: the story of a release, and what is refused; the properties are in tests/property."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from seedbed.engines.dynamodb.schema import template
from seedbed.engines.dynamodb.schema.shape import (
    HISTORY_TABLE,
    IndexShape,
    Key,
    Projection,
    StreamView,
    TableShape,
)
from seedbed.engines.dynamodb.schema.stack_updates import stack_updates
from seedbed.errors import ExitCode, Refused
from seedbed.model.deployment import Template
from seedbed.model.migration import Phase


def courses(*indexes: str, ttl: str = "", stream: StreamView | None = None) -> TableShape:
    table = TableShape(
        "courses",
        Key(("id",)),
        {},
        tuple(
            IndexShape(each, Key((each.removeprefix("by_"),)), Projection("KEYS_ONLY")) for each in indexes
        ),
        ttl=ttl,
        stream=stream or "",
    )
    return template.with_types(table, dict.fromkeys(template.used(table), "S"))


def stack(*tables: TableShape, outputs: tuple[str, ...] = (), **resources: Any) -> dict[str, Any]:
    return {
        "Resources": {
            **{
                f"{each.name}Table": {
                    "Type": template.TYPE,
                    "Metadata": template.metadata(each),
                    "Properties": {"TableName": f"s-{each.name}-dev", **template.properties(each)},
                }
                for each in (*tables, HISTORY_TABLE)
            },
            **resources,
        },
        "Outputs": {each: {"Value": each} for each in outputs},
        "Parameters": {"BootstrapVersion": {"Type": "String"}},
    }


def changed(of: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """Return a copy of a stack whose table has other properties."""
    of = copy.deepcopy(of)
    of["Resources"]["coursesTable"]["Properties"] |= properties
    return of


def indexes(of: Template) -> list[str]:
    properties = of["Resources"]["coursesTable"]["Properties"]
    return [each["IndexName"] for each in properties.get("GlobalSecondaryIndexes", ())]


def attributes(of: Template) -> list[str]:
    properties = of["Resources"]["coursesTable"]["Properties"]
    return [each["AttributeName"] for each in properties["AttributeDefinitions"]]


def refusal(deployed: Template, wanted: Template, gate: Phase = Phase.CONTRACT) -> Refused:
    with pytest.raises(Refused) as caught:
        stack_updates(deployed, wanted, gate=gate)
    assert caught.value.exit_code is ExitCode.REFUSED
    return caught.value


def test_a_release_that_adds_two_indexes_is_two_updates_of_one_index_each() -> None:
    deployed, wanted = stack(courses()), stack(courses("by_level", "by_teacher"))
    first, second = stack_updates(deployed, wanted, gate=Phase.EXPAND)
    assert indexes(first.template) == ["by_level"]
    assert attributes(first.template) == ["id", "level"]
    assert first.waits_for == ("courses.by_level",)
    assert [each.what for each in first.changes] == ["courses: add index by_level"]
    assert second.template == wanted
    assert second.waits_for == ("courses.by_teacher",)
    assert [(each.what, each.update) for each in second.changes] == [("courses: add index by_teacher", 2)]


def test_a_first_deployment_is_one_update_whatever_it_holds() -> None:
    wanted = stack(
        courses("by_level", "by_teacher"), Name={"Type": "AWS::SSM::Parameter"}, outputs=("Table",)
    )
    (only,) = stack_updates(None, wanted, gate=Phase.EXPAND)
    assert only.template == wanted
    assert [each.what for each in only.changes] == [
        "courses: add the table, with indexes by_level, by_teacher",
        "migrations_history: add the table",
        "add AWS::SSM::Parameter Name",
        "add output Table",
    ]


def test_a_new_table_comes_with_all_its_indexes_and_the_first_update() -> None:
    deployed = stack(courses())
    wanted = stack(
        courses("by_level", "by_teacher"),
        TableShape(
            "lessons",
            Key(("id",)),
            {"id": "S"},
            (IndexShape("by_id", Key(("id",))), IndexShape("by_me", Key(("id",)))),
        ),
    )
    first, _ = stack_updates(deployed, wanted, gate=Phase.EXPAND)
    assert first.template["Resources"]["lessonsTable"] == wanted["Resources"]["lessonsTable"]


def test_additions_come_before_removals() -> None:
    deployed, wanted = stack(courses("by_level")), stack(courses("by_teacher"))
    first, second = stack_updates(deployed, wanted, gate=Phase.CONTRACT)
    assert indexes(first.template) == ["by_teacher", "by_level"]
    assert attributes(first.template) == ["id", "teacher", "level"]
    assert second.template == wanted
    assert second.waits_for == ()


def test_below_contract_what_is_gone_stays_in_every_template() -> None:
    parameter = {"Type": "AWS::SSM::Parameter"}
    deployed = stack(
        courses("by_level", ttl="x", stream="NEW_IMAGE"),
        TableShape("old", Key(("id",)), {"id": "S"}),
        Kept=parameter,
        outputs=("Kept",),
    )
    wanted = stack(courses("by_teacher"), New=parameter, outputs=("New",))
    (only,) = stack_updates(deployed, wanted, gate=Phase.MIGRATE)
    resources = only.template["Resources"]
    assert indexes(only.template) == ["by_teacher", "by_level"]
    assert resources["oldTable"] == deployed["Resources"]["oldTable"]
    assert resources.keys() >= {"Kept", "New"}
    assert only.template["Outputs"].keys() == {"Kept", "New"}
    properties = resources["coursesTable"]["Properties"]
    assert properties["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "x", "Enabled": True}
    assert all(each.phase is Phase.EXPAND for each in only.changes)
    assert stack_updates(only.template, wanted, gate=Phase.EXPAND) == ()


def test_what_items_expired_by_stays_named_as_switched_off() -> None:
    deployed, wanted = stack(courses(ttl="expires_at")), stack(courses())
    (only,) = stack_updates(deployed, wanted, gate=Phase.CONTRACT)
    off = {"AttributeName": "expires_at", "Enabled": False}
    assert only.template == changed(wanted, TimeToLiveSpecification=off)
    assert stack_updates(only.template, wanted, gate=Phase.CONTRACT) == ()
    (on,) = stack_updates(only.template, stack(courses(ttl="gone_at")), gate=Phase.EXPAND)
    assert on.template == stack(courses(ttl="gone_at"))


def test_what_cdk_notes_about_itself_is_no_difference() -> None:
    def noted(analytics: str) -> dict[str, Any]:
        return stack(
            courses(), CDKMetadata={"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": analytics}}
        )

    assert stack_updates(noted("v1"), noted("v2"), gate=Phase.CONTRACT) == ()
    assert stack_updates(noted("v1"), stack(courses()), gate=Phase.CONTRACT) == ()


def test_settings_of_a_table_change_with_the_first_update_and_are_told() -> None:
    deployed = stack(courses())
    wanted = changed(stack(courses("by_level", "by_teacher")), DeletionProtectionEnabled=True, Tags=[])
    first, _ = stack_updates(deployed, wanted, gate=Phase.EXPAND)
    assert first.template["Resources"]["coursesTable"]["Properties"]["DeletionProtectionEnabled"] is True
    assert [each.what for each in first.changes] == [
        "courses: add index by_level",
        "courses: change DeletionProtectionEnabled, Tags",
    ]


def test_settings_alone_are_one_update() -> None:
    (only,) = stack_updates(stack(courses()), changed(stack(courses()), Tags=[]), gate=Phase.EXPAND)
    assert [(each.what, each.update) for each in only.changes] == [("courses: change Tags", 1)]


def test_every_update_says_something_even_where_only_the_order_is_another() -> None:
    wanted = stack(courses("by_level", "by_teacher"))
    deployed = copy.deepcopy(wanted)
    deployed["Resources"]["coursesTable"]["Properties"]["GlobalSecondaryIndexes"].reverse()
    (only,) = stack_updates(deployed, wanted, gate=Phase.EXPAND)
    assert only.changes


def test_two_outputs_never_export_one_name() -> None:
    deployed, wanted = stack(courses("by_level")), stack(courses())
    deployed["Outputs"]["Old"] = {"Value": "x", "Export": {"Name": "courses"}}
    wanted["Outputs"]["New"] = {"Value": "x", "Export": {"Name": "courses"}}
    (only,) = stack_updates(deployed, wanted, gate=Phase.EXPAND)
    assert only.template["Outputs"].keys() == {"New"}


def test_a_table_without_our_metadata_is_known_by_its_resource() -> None:
    deployed = stack(courses())
    del deployed["Resources"]["coursesTable"]["Metadata"]
    first, second = stack_updates(deployed, stack(courses("by_level", "by_teacher")), gate=Phase.EXPAND)
    assert (indexes(first.template), indexes(second.template)) == (["by_level"], ["by_level", "by_teacher"])


def test_a_retained_table_is_not_said_to_be_removed() -> None:
    deployed = stack(courses())
    deployed["Resources"]["coursesTable"]["DeletionPolicy"] = "Retain"
    (only,) = stack_updates(deployed, stack(), gate=Phase.CONTRACT)
    assert [each.what for each in only.changes] == [
        "courses: take the table out of the stack; it stays, with its items, owned by no stack"
    ]


def test_everything_that_is_refused_is_named_at_once() -> None:
    deployed = stack(courses("by_level", ttl="a", stream="NEW_IMAGE"))
    wanted = changed(
        stack(courses("by_level", ttl="b", stream="KEYS_ONLY")),
        KeySchema=[{"AttributeName": "level", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "level", "AttributeType": "S"}],
    )
    error = refusal(deployed, wanted, Phase.EXPAND)
    assert error.what == "no deployment can do these 3 changes"
    for each in (
        "change the key from (id) to (level)",
        "expire by b instead of a",
        "from NEW_IMAGE to KEYS_ONLY",
    ):
        assert each in error.because
    assert "courses_2" in error.try_


def test_another_physical_name_is_a_replacement_and_refused() -> None:
    error = refusal(stack(courses()), changed(stack(courses()), TableName="s-lessons-dev"))
    assert error.what.startswith("no deployment can do this: courses: rename the table")
    assert error.try_


def test_a_table_that_moved_to_another_resource_is_refused() -> None:
    deployed = stack(courses())
    deployed["Resources"]["Elsewhere"] = deployed["Resources"].pop("coursesTable")
    assert "a second table of the same name" in refusal(deployed, stack(courses()), Phase.EXPAND).because


def test_a_resource_never_becomes_a_table() -> None:
    deployed = stack(coursesTable={"Type": "AWS::S3::Bucket"})
    assert "never changes the type" in refusal(deployed, stack(courses())).because


def test_the_history_is_never_removed_from_a_stack_that_goes_on() -> None:
    wanted = stack(courses())
    del wanted["Resources"]["migrations_historyTable"]
    error = refusal(stack(courses()), wanted)
    assert error.what == "no deployment can do this: migrations_history: remove the table"
    assert stack_updates(stack(courses()), wanted, gate=Phase.MIGRATE) == ()


def test_a_protected_table_is_not_removed() -> None:
    deployed = changed(stack(courses()), DeletionProtectionEnabled=True)
    assert refusal(deployed, stack()).because == "it is protected against deletion"
    assert stack_updates(deployed, stack(), gate=Phase.EXPAND) == ()


def test_what_is_not_ours_may_have_any_form() -> None:
    odd: dict[str, Any] = {"Fn::ForEach::Buckets": ["Name", ["A"], {}], "Topic": {"Type": "AWS::SNS::Topic"}}
    deployed, wanted = stack(courses()), stack(courses("by_level"), **odd)
    (only,) = stack_updates(deployed, wanted, gate=Phase.EXPAND)
    assert only.template == wanted
    (back,) = stack_updates(wanted, deployed, gate=Phase.CONTRACT)
    assert back.template == deployed
