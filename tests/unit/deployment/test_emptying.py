"""Emptying a bucket of any size; that a real one is empty before its stack goes is in tests/integration."""

from __future__ import annotations

from typing import Any

import pytest

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.deployment.emptying import empty
from seedbed.deployment.stacks import Stacks, StackStatus
from seedbed.errors import Refused, Unreachable


class Bucket:
    """S3 with `count` versions in one bucket: at most 1,000 in a page, at most 1,000 deleted at once."""

    def __init__(self, count: int) -> None:
        self.keys = [f"runs/{number:05}" for number in range(count)]
        self.refuses: dict[str, str] = {}

    def call(self, _: Cloud, __: str, operation: str, **asked: Any) -> Any:
        return getattr(self, operation)(**asked)

    def ListStackResources(self, StackName: str) -> Any:
        bucket = {
            "ResourceType": "AWS::S3::Bucket",
            "PhysicalResourceId": "b",
            "ResourceStatus": "CREATE_COMPLETE",
        }
        table = {**bucket, "ResourceType": "AWS::DynamoDB::Table", "PhysicalResourceId": "t"}
        gone = {**bucket, "PhysicalResourceId": "gone", "ResourceStatus": "DELETE_COMPLETE"}
        return {"StackResourceSummaries": [bucket, table, gone]}

    def ListObjectVersions(self, Bucket: str, KeyMarker: str = "", VersionIdMarker: str = "") -> Any:
        assert Bucket == "b"
        left = [each for each in self.keys if each > KeyMarker]
        page = [{"Key": each, "VersionId": "1"} for each in left[:1000]]
        last = {"NextKeyMarker": page[-1]["Key"], "NextVersionIdMarker": "1"} if page else {}
        return {"Versions": page, "IsTruncated": len(left) > 1000, **last}

    def ListMultipartUploads(self, Bucket: str) -> Any:
        return {"IsTruncated": False}

    def DeleteObjects(self, Bucket: str, Delete: Any) -> Any:
        named = [each["Key"] for each in Delete["Objects"]]
        assert len(named) <= 1000
        assert Delete["Quiet"]
        self.keys = [each for each in self.keys if each not in named or each in self.refuses]
        errors = [
            {"Key": each, "Code": self.refuses[each], "Message": "Access Denied"}
            for each in named
            if each in self.refuses
        ]
        return {"Errors": errors} if errors else {}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    found = Bucket(2500)
    monkeypatch.setattr(clients, "call", found.call)
    return found


def emptied(check: Any = lambda: None) -> list[str]:
    told: list[str] = []
    empty(Stacks(Cloud("eu-central-1")), StackStatus("s", "CREATE_COMPLETE", id="s"), told.append, check)
    return told


def test_all_pages_go(bucket: Bucket) -> None:
    told = emptied()
    assert (bucket.keys, told) == ([], ["emptying bucket b: 1000 deleted"])


def test_a_stop_is_heard_between_two_pages_and_the_next_run_goes_on(bucket: Bucket) -> None:
    looks = iter([None, InterruptedError()])

    def check() -> None:
        if (found := next(looks)) is not None:
            raise found

    with pytest.raises(InterruptedError):
        emptied(check)
    assert len(bucket.keys) == 1500
    emptied()
    assert not bucket.keys


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("AccessDenied", Refused, "bucket b may not be emptied"),
        ("InternalError", Unreachable, "bucket b cannot be emptied"),
    ],
)
def test_what_is_refused_within_an_answer_is_an_error(
    bucket: Bucket, code: str, kind: type[Exception], said: str
) -> None:
    bucket.refuses["runs/00007"] = code
    with pytest.raises(kind, match=said) as raised:
        emptied()
    assert "runs/00007: Access Denied" in raised.value.because  # type: ignore[attr-defined]  # both have it
