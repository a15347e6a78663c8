"""The constructs in an app of one's own: what the reference page offers, and `platform_stacks` does not use."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import pytest

from seedbed.errors import UsageError
from seedbed.model.environment import Environment
from seedbed.model.platform import Database
from tests.unit.cdk.conftest import Stack, flags, stacks

DEV = Environment("dev-ana", "111111111111", "eu-central-1", ephemeral=True)
STREAMED = """\
[tables.lessons]
key = {partition = "lesson_id"}
[tables.lessons.attributes]
lesson_id = "S"
"""


class OwnApp:
    """An app with one stack."""

    def __init__(self) -> None:
        from aws_cdk import App
        from aws_cdk import Environment as Place
        from aws_cdk import Stack as CdkStack

        self._app = App(context=flags())
        place = Place(account=DEV.account, region=DEV.region)
        self.stack = CdkStack(self._app, "Own", env=place)

    def synthesised(self) -> Stack:
        return stacks(self._app)["Own"]


@pytest.fixture
def own(with_node: None) -> OwnApp:
    return OwnApp()


def tables(own: OwnApp, directory: Any) -> Any:
    from seedbed.cdk import ServiceTables

    return ServiceTables(
        own.stack,
        "Tables",
        platform="sample",
        environment=DEV,
        database=Database("courses", "dynamodb", PurePath(directory)),
    )


@pytest.mark.parametrize("has_stream", [True, False])
def test_the_stream_of_a_table_is_there_where_one_is_declared(
    own: OwnApp, tmp_path: Any, has_stream: bool
) -> None:
    stream = 'stream = "NEW_AND_OLD_IMAGES"\n'
    text = STREAMED.replace("[tables.lessons.att", f"{stream if has_stream else ''}[tables.lessons.att")
    (tmp_path / "tables.toml").write_text(text)
    made = tables(own, tmp_path)
    if not has_stream:
        with pytest.raises(UsageError, match="courses has no table 'lessons' with a stream"):
            made.stream_of("lessons")
        return
    from aws_cdk import CfnOutput

    CfnOutput(own.stack, "Stream", value=made.stream_of("lessons"))
    found = own.synthesised()
    (name,) = [
        each
        for each, table in found.resources("DynamoDB::Table").items()
        if "lessons" in table["Properties"]["TableName"]
    ]
    assert found.template["Outputs"]["Stream"]["Value"] == {"Fn::GetAtt": [name, "StreamArn"]}


def test_no_right_is_granted_where_no_table_is_declared(own: OwnApp, tmp_path: Any) -> None:
    from aws_cdk import aws_iam

    (tmp_path / "tables.toml").write_text("")
    role = aws_iam.Role(own.stack, "Role", assumed_by=aws_iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    tables(own, tmp_path).grant_items(role)
    assert not own.synthesised().resources("IAM::Policy")


def test_a_task_without_records_has_a_log_of_its_own(own: OwnApp) -> None:
    from aws_cdk import aws_ecs

    from seedbed.cdk import MigrationTask, Network

    MigrationTask(
        own.stack,
        "Task",
        platform="sample",
        environment=DEV,
        databases=[],
        network=Network(own.stack, "Network", environment=DEV, with_tasks=True),
        image=aws_ecs.ContainerImage.from_registry("busybox"),
        variables={"COLOUR": "blue"},
    )
    found = own.synthesised()
    (container,) = found.one("ECS::TaskDefinition")["ContainerDefinitions"]
    (log,) = found.resources("Logs::LogGroup")
    assert container["LogConfiguration"]["Options"]["awslogs-group"] == {"Ref": log}
    told = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert told == {"NO_COLOR": "1", "AWS_REGION": DEV.region, "COLOUR": "blue"}


def test_a_role_is_given_the_policies_of_its_kind_and_no_others(own: OwnApp) -> None:
    from aws_cdk import aws_iam

    from seedbed.cdk import Callers

    callers = Callers(
        own.stack, "Callers", platform="sample", environment=DEV, kinds=("read", "run"), with_task=False
    )
    role = aws_iam.Role(own.stack, "Role", assumed_by=aws_iam.AccountRootPrincipal())
    callers.give(role, "run")
    with pytest.raises(UsageError, match="no policies for deploy here"):
        callers.policies("deploy")
    found = own.synthesised()
    given = {each["Ref"] for each in found.one("IAM::Role")["ManagedPolicyArns"]}
    assert given == set(found.resources("IAM::ManagedPolicy"))
    actions = {
        action
        for each in found.resources("IAM::ManagedPolicy").values()
        for statement in each["Properties"]["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert not {each for each in actions if each.startswith(("ecs:", "iam:"))}  # there is no task to start
