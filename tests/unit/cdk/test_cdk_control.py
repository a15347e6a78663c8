"""The control stack: what runs inside the network leave behind, and who may do what with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedbed.model.environment import Environment
from tests.unit.cdk.conftest import DECLARED, Stack, Synthesise
from tests.unit.cdk.test_cdk_task import container

EVERYWHERE = pytest.mark.parametrize("environment", ["dev-ana", "staging", "prod"])
FORMER = "NoncurrentVersionExpiration"
READ = "AWS::SSM::Parameter::Value<String>"


def control(edtech: Synthesise, environment: str) -> Stack:
    return edtech(environment)[f"edtech-{environment}-seedbed-control"]


def resource(stack: Stack, type_: str) -> Any:
    (found,) = stack.resources(type_).values()
    return found


@EVERYWHERE
def test_its_names_are_written_down_and_generated(edtech: Synthesise, environment: str) -> None:
    stack = control(edtech, environment)
    path = f"/edtech/{environment}/seedbed/control/"
    assert {each.removeprefix(path) for each in stack.parameters()} == {"table", "bucket", "log-group"}
    # A fixed name that was kept would stand in the way of the next stack.
    assert "TableName" not in stack.one("DynamoDB::Table")
    assert "BucketName" not in stack.one("S3::Bucket")
    assert "LogGroupName" not in stack.one("Logs::LogGroup")


@EVERYWHERE
def test_a_record_has_an_id_and_parts_and_may_expire(edtech: Synthesise, environment: str) -> None:
    table = control(edtech, environment).one("DynamoDB::Table")
    assert table["KeySchema"] == [
        {"AttributeName": "id", "KeyType": "HASH"},
        {"AttributeName": "part", "KeyType": "RANGE"},
    ]
    assert {each["AttributeType"] for each in table["AttributeDefinitions"]} == {"S"}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


@pytest.mark.parametrize(
    ("environment", "policy", "is_kept", "days"),
    [("dev-ana", "Delete", False, 7), ("staging", "Retain", True, 30), ("prod", "Retain", True, 30)],
)
def test_it_is_kept_where_the_environment_is(
    edtech: Synthesise, environment: str, policy: str, is_kept: bool, days: int
) -> None:
    stack = control(edtech, environment)
    for type_ in ("DynamoDB::Table", "S3::Bucket", "Logs::LogGroup"):
        found = resource(stack, type_)
        assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == (policy, policy)
    table, bucket = stack.one("DynamoDB::Table"), stack.one("S3::Bucket")
    assert table["DeletionProtectionEnabled"] is is_kept
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": is_kept}
    assert ("VersioningConfiguration" in bucket) is (environment == "prod")
    rules = {each["Id"]: each for each in bucket["LifecycleConfiguration"]["Rules"]}
    assert {key: each.get("Prefix") for key, each in rules.items()} == {
        "runs": "runs/",
        "files": "files/",
        "parts": None,
        **({"state": "state/"} if environment == "prod" else {}),
    }
    assert rules["files"]["ExpirationInDays"] == days
    former = {key: each["NoncurrentVersionExpiration"] for key, each in rules.items() if FORMER in each}
    expected = {"NoncurrentDays": days}
    assert former == (dict.fromkeys(["runs", "files", "state"], expected) if environment == "prod" else {})


@EVERYWHERE
def test_what_a_record_names_stays_in_the_bucket_as_long_as_the_record(
    edtech: Synthesise, environment: str
) -> None:
    bucket = control(edtech, environment).one("S3::Bucket")
    days = Environment(environment, protected=environment == "prod").record_days
    ends = {
        each.get("Prefix", ""): each["ExpirationInDays"]
        for each in bucket["LifecycleConfiguration"]["Rules"]
        if "ExpirationInDays" in each
    }
    run = min((n for prefix, n in ends.items() if "runs/dev-ana/x".startswith(prefix)), default=0)
    assert (days, run) in {(90, 97), (0, 0)}  # DynamoDB drops a record within days after its time
    for key in ("state/dev-ana/state.json", "releases/dev-ana/x", "approvals/dev-ana/0001/expand/x"):
        assert not [prefix for prefix in ends if key.startswith(prefix)]


@EVERYWHERE
def test_its_bucket_is_private_and_reached_by_tls_only(edtech: Synthesise, environment: str) -> None:
    stack = control(edtech, environment)
    bucket = stack.one("S3::Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketEncryption" in bucket
    (statement,) = stack.one("S3::BucketPolicy")["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@EVERYWHERE
def test_the_task_is_told_of_it_by_name_and_imports_nothing_of_it(
    edtech: Synthesise, environment: str
) -> None:
    stacks = edtech(environment)
    task = stacks[f"edtech-{environment}-seedbed-task"]
    assert not control(edtech, environment).template.get("Outputs")
    read = {key: each["Default"] for key, each in task.template["Parameters"].items() if each["Type"] == READ}
    told = {each["Name"]: each["Value"] for each in container(task)["Environment"]}
    path = f"/edtech/{environment}/seedbed/control"
    assert read[told["SEEDBED_CONTROL_TABLE"]["Ref"]] == f"{path}/table"
    assert read[told["SEEDBED_CONTROL_BUCKET"]["Ref"]] == f"{path}/bucket"
    assert told["SEEDBED_ENV"] == environment
    assert told["SEEDBED_FILES"] == ("upload" if environment.startswith("dev") else "image")
    log = container(task)["LogConfiguration"]["Options"]["awslogs-group"]
    assert read[log["Ref"]] == f"{path}/log-group"


def test_access_by_task_makes_it_before_there_is_an_image(
    synthesise: Synthesise, small: Callable[..., Path]
) -> None:
    by_task = DECLARED.replace("ephemeral = true", 'ephemeral = true\naccess = "task"')
    assert sorted(synthesise(small(environments=by_task), environment="dev-ana")) == [
        "sample-dev-ana-courses-dynamodb",
        "sample-dev-ana-seedbed-control",
    ]
