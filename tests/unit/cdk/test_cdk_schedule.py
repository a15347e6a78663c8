"""The collection of environments at night, as it is synthesised."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.errors import UsageError
from tests.unit.cdk.conftest import IMAGE, Synthesise

_BASE = """
[environments.shared-dev]
account = "111111111111"
region  = "eu-central-1"
base    = true
"""


def test_the_task_of_the_base_is_started_every_night_with_the_rights_to_collect(
    synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    made = synthesise(small(environments=_BASE), environment="shared-dev", image=IMAGE, collect="nightly")
    stack = made["sample-shared-dev-seedbed-task"]
    schedule = stack.one("Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == "cron(0 3 * * ? *)"
    target = schedule["Target"]
    (override,) = json.loads(target["Input"])["containerOverrides"]
    assert override["name"] == "seedbed"
    assert override["command"] == ["-C", "/platform", "env", "gc", "--yes", "--most", "5"]
    ecs = target["EcsParameters"]
    assert (ecs["LaunchType"], ecs["PropagateTags"]) == ("FARGATE", "TASK_DEFINITION")
    network = ecs["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert len(network["Subnets"]) > 1
    rights = {
        key: {
            action
            for each in policy["Properties"]["PolicyDocument"]["Statement"]
            for action in _listed(each["Action"])
        }
        for key, policy in stack.resources("IAM::Policy").items()
    }
    (starter,) = [each for key, each in rights.items() if key.startswith("CollectionStarter")]
    assert starter == {"ecs:RunTask", "ecs:TagResource", "iam:PassRole"}
    (task,) = [each for key, each in rights.items() if "TaskRole" in key]
    assert {"cloudformation:DeleteStack", "dynamodb:DeleteItem", "secretsmanager:DeleteSecret"} <= task


def test_the_task_may_publish_to_the_topic_that_the_manifest_names_and_to_no_other(
    synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    topic = "arn:aws:sns:eu-west-1:222222222222:dev-environments"
    root = small(environments=f'{_BASE}notify = "{topic}"\n')
    stack = synthesise(root, environment="shared-dev", image=IMAGE, collect="nightly")[
        "sample-shared-dev-seedbed-task"
    ]
    given = [
        (each["Action"], each["Resource"])
        for policy in stack.resources("IAM::Policy").values()
        for each in policy["Properties"]["PolicyDocument"]["Statement"]
        if "sns" in json.dumps(each["Action"])
    ]
    assert given == [("sns:Publish", topic)]


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_nothing_is_collected_unless_that_is_asked(
    synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    made = synthesise(small(environments=_BASE), environment="shared-dev", image=IMAGE)
    stack = made["sample-shared-dev-seedbed-task"]
    assert not stack.resources("Scheduler::Schedule")
    assert "cloudformation:DeleteStack" not in json.dumps(stack.template)


def test_what_is_no_schedule_is_refused(synthesise: Synthesise, small: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="'at noon' is no schedule"):
        synthesise(small(environments=_BASE), environment="shared-dev", image=IMAGE, collect="at noon")
