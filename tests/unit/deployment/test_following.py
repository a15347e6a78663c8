"""An update that was just begun is followed to its end, also where CloudFormation first tells how the stack stood before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.deployment import stacks
from seedbed.deployment.stacks import Stacks

BEFORE = "1"  # the last event before the update


def followed(monkeypatch: pytest.MonkeyPatch, answers: Sequence[tuple[str, str]]) -> tuple[str, int]:
    """Follow a stack that is told with these states and last events; return its state, and how often it was asked."""
    asked, last = 0, iter(answers)
    current: tuple[str, str] = ("", "")

    def call(_: Cloud, __: str, operation: str, **___: Any) -> Any:
        nonlocal asked, current
        if operation == "DescribeStacks":
            asked += 1
            current = next(last, current)
            return {"Stacks": [{"StackName": "s", "StackId": "arn:s", "StackStatus": current[0]}]}
        return {"StackEvents": [{"EventId": current[1], "Timestamp": datetime.now(UTC)}]}

    monkeypatch.setattr(clients, "call", call)
    known = Stacks(Cloud("eu-central-1"), poll=0.001)
    found = known.follow(
        known.status("s"), timeout=5, tell=lambda _: None, check=lambda: None, begun_after=BEFORE
    )
    return found.status, asked


@pytest.mark.parametrize("before", ["UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_what_it_was_before_is_not_taken_for_how_the_update_ended(
    monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    answers = [(before, BEFORE), (before, BEFORE), ("UPDATE_IN_PROGRESS", BEFORE), ("UPDATE_COMPLETE", "2")]
    assert followed(monkeypatch, answers) == ("UPDATE_COMPLETE", 4)


def test_an_update_that_has_ended_already_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert followed(monkeypatch, [("UPDATE_COMPLETE", "2")]) == ("UPDATE_COMPLETE", 1)


def test_an_update_without_any_event_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_OLD", 0.05)
    assert followed(monkeypatch, [("UPDATE_COMPLETE", BEFORE)])[0] == "UPDATE_COMPLETE"
