"""Every state that CloudFormation knows has a meaning, and those that are stuck have a way out."""

from __future__ import annotations

import pytest

from seedbed.aws.cloud import Cloud
from seedbed.deployment.stack_owner import require_own
from seedbed.deployment.stacks import Stacks, StackStatus, require_updatable
from seedbed.deployment.states import STATES, StackCondition, state
from seedbed.errors import Refused
from seedbed.model.names import stack_tags


def test_every_state_of_cloudformation_is_named() -> None:
    from botocore.session import Session

    model = Session().get_service_model("cloudformation")
    assert set(model.shape_for("StackStatus").enum) == set(STATES)


@pytest.mark.parametrize("status", [each for each in STATES if each.endswith("_IN_PROGRESS")])
def test_what_is_in_progress_is_followed_unless_there_is_nothing_to_follow(status: str) -> None:
    assert state(status).condition is (
        StackCondition.ABSENT if status == "REVIEW_IN_PROGRESS" else StackCondition.IN_PROGRESS
    )


@pytest.mark.parametrize("status", [each for each in STATES if each.endswith("_FAILED")])
def test_what_failed_for_good_is_stuck_and_says_the_way_out(status: str) -> None:
    found = state(status)
    assert found.condition is StackCondition.STUCK
    assert found.means
    assert "{stack}" in found.way


def test_a_stack_that_never_was_is_absent() -> None:
    assert StackStatus("x").condition is StackCondition.ABSENT


@pytest.mark.parametrize(
    ("status", "condition"),
    [
        ("SHRUG_IN_PROGRESS", StackCondition.IN_PROGRESS),
        ("SHRUG_COMPLETE", StackCondition.STEADY),
        ("SHRUG", StackCondition.STUCK),
    ],
)
def test_a_state_that_nobody_knows_is_judged_by_its_ending(status: str, condition: StackCondition) -> None:
    assert state(status).condition is condition


def test_what_an_express_update_left_is_not_rolled_back() -> None:
    assert StackStatus("x", "UPDATE_FAILED").way.startswith("cdk rollback x ")
    assert StackStatus("x", "UPDATE_FAILED", is_express=True).way.startswith("cdk deploy x from the commit")
    assert "delete-stack --stack-name x" in StackStatus("x", "CREATE_FAILED", is_express=True).way


def test_a_stack_of_another_environment_is_not_deployed_over() -> None:
    tags = stack_tags("shop", "dev-a")
    require_own(StackStatus("shop-dev-a-b-c-postgres"), tags)
    require_own(StackStatus("shop-dev-a-b-c-postgres", "CREATE_COMPLETE", tags={"cost": "1"}), tags)
    with pytest.raises(Refused) as caught:
        require_own(StackStatus("shop-dev-a-b-c-postgres", tags=stack_tags("shop", "dev-a-b")), tags)
    assert caught.value.what == "stack shop-dev-a-b-c-postgres belongs to another platform or environment"
    assert caught.value.because == "its tags say environment dev-a-b, and this deployment is of shop in dev-a"


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"])
def test_what_was_never_made_and_is_protected_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    stacks = Stacks(Cloud("eu-central-1"))
    monkeypatch.setattr(stacks, "why", lambda _: "Db (AWS::RDS::DBCluster): no such version")
    with pytest.raises(Refused) as caught:
        require_updatable(StackStatus("x", status, is_kept=True), stacks)
    assert str(caught.value.try_).startswith(
        "aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name x, then "
    )
    assert (caught.value.because, caught.value.what.endswith("its termination protection is on")) == (
        "Db (AWS::RDS::DBCluster): no such version",
        True,
    )


def test_a_creation_that_was_rolled_back_is_made_anew_where_nothing_protects_it() -> None:
    require_updatable(StackStatus("x", "ROLLBACK_COMPLETE"), Stacks(Cloud("eu-central-1")))
