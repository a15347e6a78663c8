"""The pipe that starts the task of a base, as it is synthesised: for which records, with what, and who may."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from seedbed.errors import UsageError
from seedbed.model.environment import Environment
from seedbed.remote.starting import Patience
from tests.unit.cdk.conftest import IMAGE, Stack, Stacks, Synthesise
from tools import aws_day_pipe
from tools.aws_day import ENVIRONMENT

BASE = """
[environments.shared-dev]
account = "111111111111"
region  = "eu-central-1"
base    = true
"""


@pytest.fixture(scope="module")
def made(synthesise: Synthesise, tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    root = tmp_path_factory.mktemp("base")
    (root / "services/courses/dynamodb").mkdir(parents=True)
    (root / "services/courses/dynamodb/tables.toml").touch()
    (root / "seedbed.toml").write_text(f'[platform]\nname = "sample"\n[services.courses.dynamodb]\n{BASE}')
    context = {"environment": "shared-dev", "image": IMAGE, "collect": "nightly", "callers": "run"}
    return synthesise(root / "seedbed.toml", **context)


@pytest.fixture
def task(made: Stacks) -> Stack:
    return made["sample-shared-dev-seedbed-task"]


def test_each_new_run_of_the_base_starts_its_task_with_the_key_of_its_record(task: Stack) -> None:
    pipe = task.one("Pipes::Pipe")
    (each,) = pipe["SourceParameters"]["FilterCriteria"]["Filters"]
    key = {"id": {"S": [{"prefix": "run#shared-dev#"}]}, "part": {"S": ["ask"]}}
    assert json.loads(each["Pattern"]) == {"eventName": ["INSERT"], "dynamodb": {"Keys": key}}
    asked = pipe["TargetParameters"]["EcsTaskParameters"]
    command = ["--run", "$.dynamodb.Keys.id.S"]
    assert asked["Overrides"] == {"ContainerOverrides": [{"Name": "seedbed", "Command": command}]}
    assert (asked["LaunchType"], asked["PropagateTags"]) == ("FARGATE", "TASK_DEFINITION")
    network = asked["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert (network["AssignPublicIp"], len(network["Subnets"])) == ("DISABLED", 2)
    settings = task.settings("/sample/shared-dev/seedbed/task")
    assert pipe["Target"] == settings["cluster"]
    assert asked["TaskDefinitionArn"] == settings["task-definition"]
    assert network["SecurityGroups"] == [settings["security-group"]]


def test_no_run_holds_up_another_and_none_is_tried_for_longer_than_its_caller_waits(task: Stack) -> None:
    stream = task.one("Pipes::Pipe")["SourceParameters"]["DynamoDBStreamParameters"]
    assert stream == {
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 1,
        "ParallelizationFactor": 10,
        "MaximumRecordAgeInSeconds": Patience().capacity,
    }


def test_what_is_tried_on_an_account_is_what_is_deployed(task: Stack) -> None:
    facts = {
        f"task/{key}": value for key, value in task.settings("/sample/shared-dev/seedbed/task").items()
    } | {"task/subnets": "subnet-1,subnet-2"}
    pipe, tried = task.one("Pipes::Pipe"), aws_day_pipe.parameters(facts)
    for name in ("SourceParameters", "Target", "TargetParameters"):
        deployed = json.dumps(pipe[name]).replace("shared-dev", ENVIRONMENT).replace("Awsvpc", "awsvpc")
        assert _without_subnets(tried[name]) == _without_subnets(json.loads(deployed))


def _without_subnets(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_subnets(each) for key, each in value.items() if key != "Subnets"}


def test_its_log_has_errors_and_nothing_of_what_was_sent(task: Stack) -> None:
    log = task.one("Pipes::Pipe")["LogConfiguration"]
    assert set(log) == {"CloudwatchLogsLogDestination", "Level"}
    assert log["Level"] == "ERROR"
    (group,) = task.resources("Logs::LogGroup")
    assert log["CloudwatchLogsLogDestination"]["LogGroupArn"] == {"Fn::GetAtt": [group, "Arn"]}


def test_callers_are_told_the_pipe_and_its_log(task: Stack) -> None:
    settings = task.settings("/sample/shared-dev/seedbed/task")
    (pipe,), (group,) = task.resources("Pipes::Pipe"), task.resources("Logs::LogGroup")
    assert (settings["pipe"], settings["pipe-log"]) == ({"Ref": pipe}, {"Ref": group})


def test_the_table_of_a_base_alone_has_a_stream_and_it_has_keys_alone(
    made: Stacks, synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    control = made["sample-shared-dev-seedbed-control"]
    assert control.one("DynamoDB::Table")["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}
    others = synthesise(small(), environment="dev-ana", image=IMAGE)
    assert "StreamSpecification" not in others["sample-dev-ana-seedbed-control"].one("DynamoDB::Table")
    assert not others["sample-dev-ana-seedbed-task"].resources("Pipes::Pipe")


def test_only_services_of_aws_may_start_the_task_of_a_base_or_pass_its_roles(
    made: Stacks, task: Stack
) -> None:
    """Whoever assumes a role that may: its trust names a service, and no role or user."""
    roles = task.resources("IAM::Role")
    own = {json.dumps({"Fn::GetAtt": [each, "Arn"]}) for each in roles if each.startswith("Migrations")}
    starters = set()
    for stack in made.values():
        for statement, holders in _statements(stack):
            actions = set(_listed(statement["Action"]))
            if actions & {"ecs:RunTask", "ecs:StartTask", "iam:PassRole", "iam:*", "ecs:*", "*"}:
                assert stack is task, (stack.name, statement)
                assert actions <= {"ecs:RunTask", "iam:PassRole"}
                if "iam:PassRole" in actions:
                    assert {json.dumps(each) for each in statement["Resource"]} == own
                starters |= holders
    trusted = {
        statement["Principal"]["Service"]
        for name in starters
        for statement in roles[name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    }
    assert trusted == {"pipes.amazonaws.com", "scheduler.amazonaws.com"}
    (pipe,) = [each for each in starters if each.startswith("Runs")]
    (trust,) = roles[pipe]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "111111111111"},
        "ArnLike": {"aws:SourceArn": "arn:aws:pipes:eu-central-1:111111111111:pipe/*"},
    }


def test_the_pipe_is_made_once_its_role_may_read_the_stream(task: Stack) -> None:
    (pipe,) = task.resources("Pipes::Pipe").values()
    (policy,) = [each for each in task.resources("IAM::Policy") if each.startswith("RunsRole")]
    assert policy in pipe["DependsOn"]
    reads = [
        each
        for each in task.resources("IAM::Policy")[policy]["Properties"]["PolicyDocument"]["Statement"]
        if any(action.startswith("dynamodb:") for action in _listed(each["Action"]))
    ]
    source = pipe["Properties"]["Source"]
    assert [(each["Action"], each["Resource"]) for each in reads] == [
        (["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"], source),
        ("dynamodb:ListStreams", "*"),
    ]


@pytest.mark.usefixtures("synthesise")
def test_where_callers_start_the_task_there_is_no_pipe() -> None:
    import aws_cdk as cdk

    from seedbed.cdk import Control, MigrationTask, Network, RunPipe

    stack = cdk.Stack(cdk.App(), "Stack", env=cdk.Environment(account="111111111111", region="eu-central-1"))
    environment = Environment("dev-ana", "111111111111", "eu-central-1", ephemeral=True)
    network = Network(stack, "Network", environment=environment, with_tasks=True)
    control = Control(stack, "Control", platform="sample", environment=environment)
    task = MigrationTask(
        stack,
        "Task",
        platform="sample",
        environment=environment,
        databases=[],
        network=network,
        image=cdk.aws_ecs.ContainerImage.from_registry("seedbed"),
        control=control,
    )
    with pytest.raises(UsageError, match="the task of dev-ana is started by its callers"):
        RunPipe(stack, "Runs", task=task, network=network, control=control)


def _statements(stack: Stack) -> Iterator[tuple[Mapping[str, Any], set[str]]]:
    """Yield the statements of a stack's policies, with the roles that have each."""
    for type_ in ("IAM::Policy", "IAM::ManagedPolicy"):
        for each in stack.resources(type_).values():
            holders = {role["Ref"] for role in each["Properties"].get("Roles", ())}
            for statement in each["Properties"]["PolicyDocument"]["Statement"]:
                yield statement, holders


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
