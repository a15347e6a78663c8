"""`make aws-day` as far as the sandbox's AWS goes: who we are, what an earlier day left, and that it is taken away."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest

from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.model.names import stack_tags
from tools import aws_day


@pytest.mark.slow
def test_what_an_earlier_day_left_is_seen_and_taken_away(
    ministack_account: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ministack_account.account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.chdir(tmp_path)
    here = ["--account", ministack_account.account, "--endpoint", ministack_account.endpoint]
    template = {"Resources": {"P": {"Type": "AWS::SNS::Topic"}}}
    tags = stack_tags(aws_day.PLATFORM, aws_day.ENVIRONMENT)
    stacks = boto3.client("cloudformation", region_name="us-east-1", endpoint_url=ministack_account.endpoint)
    stacks.create_stack(
        StackName="awsday-dev-awsday-network",
        TemplateBody=json.dumps(template),
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    stacks.get_waiter("stack_create_complete").wait(
        StackName="awsday-dev-awsday-network", WaiterConfig={"Delay": 1}
    )
    prices = [f"--price={name}=0.01" for name in aws_day.PRICES]
    assert aws_day.main(["--really", "--only", "identity", *prices, *here]) == 7
    lines = [json.loads(each) for each in Path("aws-day.jsonl").read_text().splitlines()]
    assert [(each["step"], each["as_expected"]) for each in lines] == [
        ("identity", False),
        ("clean", True),
        ("nothing-left", True),
    ]
    assert "stack awsday-dev-awsday-network" in lines[0]["seen"]
    assert aws_day.main(["--really", "--only", "identity", *prices, *here]) == 0
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "999999999999")
    assert aws_day.main(["--really", "--only", "identity", *prices, *here]) == 7
    seen = json.loads(Path("aws-day.jsonl").read_text().splitlines()[-3])["seen"]
    assert "the credentials are of account 999999999999" in seen
