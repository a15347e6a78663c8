"""Records of runs for tests: the table and bucket of an environment, and what is asked for."""

from __future__ import annotations

from typing import Any

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.documents.document import VERSION
from seedbed.remote.records import Ask

CALLER = "arn:aws:sts::111111111111:assumed-role/Developer/ana"


def make_records(cloud: Cloud, table: str, bucket: str) -> None:
    """Make the table and the bucket as the control stack does."""
    clients.call(
        cloud,
        "dynamodb",
        "CreateTable",
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("id", "part")],
        KeySchema=[
            {"AttributeName": "id", "KeyType": "HASH"},
            {"AttributeName": "part", "KeyType": "RANGE"},
        ],
    )
    clients.call(
        cloud,
        "s3",
        "CreateBucket",
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": cloud.region},
    )


def asked(environment: str, **more: Any) -> Ask:
    """Return a call of apply, changed by `more`."""
    given: dict[str, Any] = {
        "command": "apply",
        "argv": ("-e", environment),
        "environment": environment,
        "by": CALLER,
        "at": "2026-11-30T01:02:03+00:00",
        "seedbed": VERSION,
        "platform_digest": "0" * 64,
        **more,
    }
    return Ask(**given)
