"""Whether a pipe of EventBridge starts a task as that of a base does: the same parameters, on the day's own stacks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from seedbed.remote.control import run_item
from seedbed.remote.records import new_id
from tools.aws_day import ENVIRONMENT, PLATFORM, Day, until

NAME = f"{PLATFORM}-{ENVIRONMENT}-runs"
_PATH = f"/{PLATFORM}/{ENVIRONMENT}/seedbed"
_TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "pipes.amazonaws.com"}}
_ACTIONS = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
    "ecs:RunTask",
    "ecs:TagResource",
    "iam:PassRole",
)
_MINUTE = 60.0


def pipe(day: Day) -> str:
    """A pipe takes a new record from the stream of the table, and its key is a word of the task's command."""
    facts = _facts(day)
    table, dynamodb = facts["control/table"], day.client("dynamodb")
    stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    source = dynamodb.update_table(TableName=table, StreamSpecification=stream)["TableDescription"]
    try:
        _make(day, source["LatestStreamArn"], facts)
        key = run_item(ENVIRONMENT, new_id())
        item = {"id": {"S": key}, "part": {"S": "ask"}, "state": {"S": "asked"}}
        dynamodb.put_item(TableName=table, Item=item)
        began, words = time.monotonic(), ["--run", key]
        until(lambda: _given(day, facts, words), 5 * _MINUTE, "the pipe starts no task with the key")
        took = time.monotonic() - began
        until(lambda: _given(day, facts, words, "STOPPED"), 10 * _MINUTE, "its end is not listed")
        return (
            f"a task was started {took:.0f} s after the record was written, and is listed when it has ended"
        )
    finally:
        remove(day)


def remove(day: Day) -> None:
    """Take the pipe and its role away, whatever there is of them."""
    pipes, iam = day.client("pipes"), day.client("iam")
    with suppress(ClientError):
        pipes.delete_pipe(Name=NAME)
    with suppress(ClientError):
        iam.delete_role_policy(RoleName=NAME, PolicyName=NAME)
    with suppress(ClientError):
        iam.delete_role(RoleName=NAME)


def left(day: Day) -> Iterator[str]:
    """Yield what there is of them."""
    for each in day.client("pipes").list_pipes(NamePrefix=NAME)["Pipes"]:
        yield f"pipe {each['Name']}"
    with suppress(ClientError):
        yield f"role {day.client('iam').get_role(RoleName=NAME)['Role']['RoleName']}"


def _make(day: Day, source: str, facts: dict[str, str]) -> None:
    iam, pipes = day.client("iam"), day.client("pipes")
    role = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=_policy(_TRUST))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": list(_ACTIONS), "Resource": "*"}
    iam.put_role_policy(RoleName=NAME, PolicyName=NAME, PolicyDocument=_policy(allowed))
    time.sleep(_MINUTE / 4)  # IAM takes it over by and by
    pipes.create_pipe(Name=NAME, RoleArn=role, Source=source, **parameters(facts))
    until(
        lambda: pipes.describe_pipe(Name=NAME)["CurrentState"] == "RUNNING",
        5 * _MINUTE,
        "the pipe does not run",
    )


def parameters(facts: dict[str, str]) -> dict[str, Any]:
    """Return what a pipe is told besides its name, its role and its source."""
    key = {"id": {"S": [{"prefix": run_item(ENVIRONMENT, "")}]}, "part": {"S": ["ask"]}}
    pattern = json.dumps({"eventName": ["INSERT"], "dynamodb": {"Keys": key}})
    network = {
        "Subnets": facts["task/subnets"].split(","),
        "SecurityGroups": [facts["task/security-group"]],
        "AssignPublicIp": "DISABLED",
    }
    command = {"Name": facts["task/container"], "Command": ["--run", "$.dynamodb.Keys.id.S"]}
    return {
        "SourceParameters": {
            "FilterCriteria": {"Filters": [{"Pattern": pattern}]},
            "DynamoDBStreamParameters": {
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 1,
                "ParallelizationFactor": 10,
                "MaximumRecordAgeInSeconds": 300,
            },
        },
        "Target": facts["task/cluster"],
        "TargetParameters": {
            "EcsTaskParameters": {
                "TaskDefinitionArn": facts["task/task-definition"],
                "LaunchType": "FARGATE",
                "PropagateTags": "TASK_DEFINITION",
                "NetworkConfiguration": {"awsvpcConfiguration": network},
                "Overrides": {"ContainerOverrides": [command]},
            }
        },
    }


def _given(day: Day, facts: dict[str, str], words: list[str], status: str = "") -> bool:
    """Return whether there is a task with these words, that is or was told to be `status`: by default any."""
    ecs, cluster = day.client("ecs"), facts["task/cluster"]
    family = facts["task/task-definition"].rpartition("/")[2].partition(":")[0]
    for each in [status] if status else ["RUNNING", "STOPPED"]:
        arns = ecs.list_tasks(cluster=cluster, family=family, desiredStatus=each)["taskArns"]
        tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else ()
        for task in tasks:
            if words in [one.get("command") for one in task["overrides"]["containerOverrides"]]:
                return True
    return False


def _facts(day: Day) -> dict[str, str]:
    pages = day.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=_PATH, Recursive=True)
    found = [each for page in pages for each in page["Parameters"]]
    return {each["Name"].removeprefix(f"{_PATH}/"): each["Value"] for each in found}


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
