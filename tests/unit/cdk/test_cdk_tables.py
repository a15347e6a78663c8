"""Tables in the templates: named, kept, protected and paid for as the environment wants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seedbed.engines.dynamodb.schema.read import read
from seedbed.engines.dynamodb.schema.shape import HISTORY_TABLE, TableShape
from seedbed.engines.dynamodb.schema.template import shape
from tests.unit.cdk.conftest import DECLARED, EDTECH, Stack, Synthesise

SERVICES = ("courses", "chat", "tutor-matching", "video-call", "ai")
EVERYWHERE = pytest.mark.parametrize("environment", ["sandbox", "dev-ana", "staging", "prod"])
TWO = """
[tables.lessons]
key = {partition = "lesson_id"}
attributes = {lesson_id = "S"}
[tables.courses]
key = {partition = "course_id"}
attributes = {course_id = "S"}
"""
TURNED = """
[tables.courses]
key = {partition = "course_id"}
attributes = {course_id = "S"}
[tables.lessons]
key = {partition = "lesson_id"}
attributes = {lesson_id = "S"}
"""


def tables(edtech: Synthesise, environment: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return service, logical name and resource of every table of the platform."""
    return [
        (service, resource["Metadata"]["seedbed"]["table"], resource)
        for service in SERVICES
        for resource in edtech(environment)[f"edtech-{environment}-{service}-dynamodb"]
        .resources("DynamoDB::Table")
        .values()
    ]


def declared(service: str) -> list[TableShape]:
    """Return the tables of a service as far as a template can say what they are."""
    home = EDTECH / "services" / service / "dynamodb"
    everything = [*read(home / "tables.toml").tables, HISTORY_TABLE]
    return [replace(each, attributes={}, version_attribute="", version=1) for each in everything]


@EVERYWHERE
def test_every_declared_table_and_a_history_are_made_as_declared(
    edtech: Synthesise, environment: str
) -> None:
    for service in SERVICES:
        stack = edtech(environment)[f"edtech-{environment}-{service}-dynamodb"]
        made = [shape(key, each) for key, each in stack.resources("DynamoDB::Table").items()]
        assert sorted(made, key=lambda each: each.name) == sorted(
            declared(service), key=lambda each: each.name
        )


@EVERYWHERE
def test_a_table_is_called_after_its_service_itself_and_its_environment(
    edtech: Synthesise, environment: str
) -> None:
    for service, name, resource in tables(edtech, environment):
        assert resource["Properties"]["TableName"] == f"{service}-{name}-{environment}"


@EVERYWHERE
def test_every_table_is_paid_by_request_and_encrypted_by_default(
    edtech: Synthesise, environment: str
) -> None:
    for _, _, resource in tables(edtech, environment):
        properties = resource["Properties"]
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        assert not {"ProvisionedThroughput", "SSESpecification"} & properties.keys()


@pytest.mark.parametrize(
    ("environment", "policy"),
    [("sandbox", "Delete"), ("dev-ana", "Delete"), ("staging", "Retain"), ("prod", "Retain")],
)
def test_tables_go_with_an_ephemeral_environment_and_stay_anywhere_else(
    edtech: Synthesise, environment: str, policy: str
) -> None:
    for _, _, resource in tables(edtech, environment):
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (policy, policy)


@pytest.mark.parametrize(
    ("environment", "is_on"), [("sandbox", False), ("dev-ana", False), ("staging", False), ("prod", True)]
)
def test_recovery_and_deletion_protection_follow_protected(
    edtech: Synthesise, environment: str, is_on: bool
) -> None:
    for _, _, resource in tables(edtech, environment):
        properties = resource["Properties"]
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": is_on}
        assert properties["DeletionProtectionEnabled"] is is_on


def test_an_index_with_several_sort_attributes_keeps_them_in_order(edtech: Synthesise) -> None:
    (messages,) = [each for _, name, each in tables(edtech, "prod") if name == "messages"]
    keys = {
        each["IndexName"]: [(key["AttributeName"], key["KeyType"]) for key in each["KeySchema"]]
        for each in messages["Properties"]["GlobalSecondaryIndexes"]
    }
    assert keys["by_report"] == [
        ("report_state", "HASH"),
        ("report_reason", "RANGE"),
        ("reported_at", "RANGE"),
    ]


def test_time_to_live_and_stream_are_in_the_template(edtech: Synthesise) -> None:
    (messages,) = [each for _, name, each in tables(edtech, "dev-ana") if name == "messages"]
    assert messages["Properties"]["TimeToLiveSpecification"] == {
        "AttributeName": "expires_at",
        "Enabled": True,
    }
    assert messages["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_a_template_does_not_depend_on_the_order_in_tables_toml(
    synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    one = synthesise(small(TWO), environment="dev-ana")
    other = synthesise(small(TURNED), environment="dev-ana")
    assert one == other


def test_the_id_of_a_table_stays_when_another_one_joins(
    synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    alone = synthesise(small(TWO.partition("[tables.courses]")[0]), environment="dev-ana")
    joined = synthesise(small(TWO), environment="dev-ana")
    name = "sample-dev-ana-courses-dynamodb"
    assert alone[name].resources("DynamoDB::Table").keys() < joined[name].resources("DynamoDB::Table").keys()


def test_moving_the_construct_changes_no_id_of_what_has_a_fixed_name(
    with_node: None, small: Callable[..., Path]
) -> None:
    here, there = granted(small(TWO), "grant_items"), granted(small(TWO), "grant_items", below="Moved")
    for type_ in ("DynamoDB::Table", "SSM::Parameter"):
        assert here.resources(type_).keys() == there.resources(type_).keys()


def test_names_that_differ_in_an_underscore_have_ids_of_their_own(with_node: None) -> None:
    from seedbed.cdk.tables import logical_id

    names = ("x1_2", "x12", "x_12", "X12", "x_1_2")
    assert len({logical_id("courses", each) for each in names}) == len(names)
    assert logical_id("courses", "x12") != logical_id("chat", "x12")


@EVERYWHERE
def test_an_environment_reads_back_account_and_region(edtech: Synthesise, environment: str) -> None:
    for service in SERVICES:
        stack = edtech(environment)[f"edtech-{environment}-{service}-dynamodb"]
        path = f"/edtech/{environment}/{service}/dynamodb"
        assert stack.parameters() == {f"{path}/account": stack.account, f"{path}/region": stack.region}


def test_a_stack_tells_the_arn_of_each_table(edtech: Synthesise) -> None:
    stack = edtech("dev-ana")["edtech-dev-ana-chat-dynamodb"]
    told = [each["Value"] for each in stack.template["Outputs"].values()]
    keys = stack.resources("DynamoDB::Table")
    own = [key for key, each in keys.items() if each["Metadata"]["seedbed"]["table"] != "migrations_history"]
    assert sorted(each["Fn::GetAtt"][0] for each in told) == sorted(own)


def test_no_other_stack_holds_on_to_a_table(edtech: Synthesise) -> None:
    for service in SERVICES:  # an export that is in use could never be removed, nor could its table
        stack = edtech("prod")[f"edtech-prod-{service}-dynamodb"]
        assert not [each for each in stack.template["Outputs"].values() if "Export" in each]


def test_a_service_is_let_to_its_items_and_not_to_the_history(
    with_node: None, small: Callable[..., Path]
) -> None:
    stack = granted(small(TWO), "grant_items")
    (policy,) = stack.resources("IAM::Policy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    names = sorted(each.rpartition("/")[2] for each in statement["Resource"])
    assert names == ["courses-courses-dev-ana", "courses-lessons-dev-ana"]
    assert not [each for each in statement["Action"] if "Table" in each and "Describe" not in each]


def test_seedbed_is_let_to_the_history_too_and_may_not_make_tables(
    with_node: None, small: Callable[..., Path]
) -> None:
    stack = granted(small(TWO), "grant_migrations")
    (policy,) = stack.resources("IAM::Policy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert any(each.endswith("courses-migrations_history-dev-ana") for each in statement["Resource"])
    assert "dynamodb:PartiQLSelect" in statement["Action"]  # verify asks expectations by it
    assert not {"dynamodb:CreateTable", "dynamodb:UpdateTable", "dynamodb:DeleteTable", "dynamodb:*"} & set(
        statement["Action"]
    )


def test_the_indexes_of_a_table_are_granted_with_it(with_node: None, small: Callable[..., Path]) -> None:
    indexed = f'{TWO}\n[tables.courses.indexes.by_owner]\npartition = "course_id"\nprojection = "ALL"\n'
    stack = granted(small(indexed), "grant_items")
    (policy,) = stack.resources("IAM::Policy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert [each for each in statement["Resource"] if each.endswith("courses-courses-dev-ana/index/*")]


def granted(manifest: Path, method: str, *, below: str = "") -> Stack:
    """Return the stack of a user's own app, with a role that `method` of its tables was given."""
    from aws_cdk import App, Environment, aws_iam
    from aws_cdk import Stack as CdkStack
    from constructs import Construct

    from seedbed.cdk import ServiceTables
    from seedbed.engines import registry
    from seedbed.manifest.environments import environment
    from seedbed.manifest.load import load
    from tests.unit.cdk.conftest import flags, stacks

    assert DECLARED in manifest.read_text()
    platform = load(manifest, lambda engine: registry.load(engine).options)
    app = App(context=flags())
    stack = CdkStack(app, "Own", env=Environment(account="111111111111", region="eu-central-1"))
    role = aws_iam.Role(stack, "Role", assumed_by=aws_iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    made = ServiceTables(
        Construct(stack, below) if below else stack,
        "Tables",
        platform="sample",
        environment=environment(platform, "dev-ana"),
        database=platform.databases[0],
    )
    getattr(made, method)(role)
    return stacks(app)["Own"]


def test_a_table_that_is_not_declared_is_refused_by_name(with_node: None, small: Callable[..., Path]) -> None:
    from seedbed.errors import UsageError

    with pytest.raises(UsageError, match="no table 'lesson'"):
        named(small(TWO), "lesson")


def named(manifest: Path, table: str) -> str:
    from aws_cdk import App
    from aws_cdk import Stack as CdkStack

    from seedbed.cdk import ServiceTables
    from seedbed.engines import registry
    from seedbed.manifest.environments import environment
    from seedbed.manifest.load import load

    platform = load(manifest, lambda engine: registry.load(engine).options)
    made = ServiceTables(
        CdkStack(App(), "Own"),
        "Tables",
        platform="sample",
        environment=environment(platform, "dev-ana"),
        database=platform.databases[0],
    )
    return str(made.name_of(table))
