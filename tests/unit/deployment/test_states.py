"""Every state that CloudFormation knows has a meaning, and those that are stuck have a way out."""

from __future__ import annotations

import pytest

from seedbed.deployment.stacks import Standing
from seedbed.deployment.states import STATES, Kind, state


def test_every_state_of_cloudformation_is_named() -> None:
    from botocore.session import Session

    model = Session().get_service_model("cloudformation")
    assert set(model.shape_for("StackStatus").enum) == set(STATES)


@pytest.mark.parametrize("status", [each for each in STATES if each.endswith("_IN_PROGRESS")])
def test_what_is_in_progress_is_followed_unless_there_is_nothing_to_follow(status: str) -> None:
    assert state(status).kind is (Kind.ABSENT if status == "REVIEW_IN_PROGRESS" else Kind.MOVING)


@pytest.mark.parametrize("status", [each for each in STATES if each.endswith("_FAILED")])
def test_what_failed_for_good_is_stuck_and_says_the_way_out(status: str) -> None:
    found = state(status)
    assert found.kind is Kind.STUCK
    assert found.means
    assert "{stack}" in found.way


def test_a_stack_that_never_was_is_absent() -> None:
    assert Standing("x").kind is Kind.ABSENT


@pytest.mark.parametrize(
    ("status", "kind"),
    [("SHRUG_IN_PROGRESS", Kind.MOVING), ("SHRUG_COMPLETE", Kind.STEADY), ("SHRUG", Kind.STUCK)],
)
def test_a_state_that_nobody_knows_is_judged_by_its_ending(status: str, kind: Kind) -> None:
    assert state(status).kind is kind
