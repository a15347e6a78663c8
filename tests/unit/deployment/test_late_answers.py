"""What is read may be older than what was written: a change set that is not complete, a stack that somebody made since."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.deployment import change_sets
from seedbed.deployment.assembly import Stack
from seedbed.deployment.change_sets import ChangeSets
from seedbed.deployment.child import ChildResult
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.deploy import _Board, _StackRun
from seedbed.deployment.managed import unmanaged_stack
from seedbed.deployment.request import DeployRequest
from seedbed.deployment.stacks import Stacks, StackStatus
from seedbed.deployment.waiter import Waiter
from seedbed.errors import Refused, Unavailable
from seedbed.execution.stopping import Stop
from seedbed.model.event import DeployFinished, Event, TargetDone
from seedbed.model.migration import Phase

HERE = Cloud("eu-central-1")
CHANGE = {
    "ResourceChange": {
        "Action": "Modify",
        "LogicalResourceId": "Db",
        "ResourceType": "AWS::RDS::DBCluster",
        "Replacement": "True",
    }
}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, list[Any]], None]:
    """A function (operation, what it answers one after the other, the last one for ever)."""
    known: dict[str, list[Any]] = {}

    def call(_: Cloud, _service: str, operation: str, **_parameters: Any) -> Any:
        left = known[operation]
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(clients, "call", call)
    monkeypatch.setattr(change_sets, "_PAUSE", 0.01)
    return known.__setitem__


def test_a_change_set_is_read_once_it_is_complete(answers: Callable[[str, list[Any]], None]) -> None:
    complete = {"Status": "CREATE_COMPLETE", "Changes": [CHANGE]}
    answers("DescribeChangeSet", [{"Status": "CREATE_PENDING"}, {"Status": "CREATE_IN_PROGRESS"}, complete])
    found = ChangeSets(HERE).read("shop", "seedbed-1", None)
    assert found is not None
    assert [each.id for each in found.changes] == ["Db"]


def test_one_that_does_not_get_complete_is_not_executed(
    answers: Callable[[str, list[Any]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_sets, "_SETTLES", 0.05)
    answers("DescribeChangeSet", [{"Status": "CREATE_IN_PROGRESS", "Changes": []}])
    with pytest.raises(Unavailable, match="is CREATE_IN_PROGRESS, and nothing was executed"):
        ChangeSets(HERE).read("shop", "seedbed-1", None)


def _stack(status: str, **more: Any) -> dict[str, Any]:
    return {"Stacks": [{"StackName": "shop", "StackId": "arn:shop", "StackStatus": status, **more}]}


def test_a_stack_of_somebody_elses_that_came_after_the_plan_is_not_updated(
    answers: Callable[[str, list[Any]], None],
) -> None:
    theirs = [{"Key": "platform", "Value": "other"}, {"Key": "environment", "Value": "dev-a"}]
    answers("DescribeStacks", [_stack("CREATE_COMPLETE", Tags=theirs)])

    class Context:
        stacks, tags = Stacks(HERE), {"platform": "shop", "environment": "dev-a"}

        def waiter(self, managed: Any) -> Waiter:
            return Waiter(managed, self.stacks, lambda _: None, Stop(), 1.0)

    run = _StackRun(
        cast("DeploymentContext", Context()),
        cast("Any", None),
        unmanaged_stack("shop", Phase.CONTRACT),
        cast("Any", None),
        cast("Any", None),
    )
    with pytest.raises(Refused, match="belongs to another platform"):
        run._deployed()


class Idle(_StackRun):
    """A run that has a change set made of what CloudFormation takes for no change."""

    def _deployed(self) -> tuple[StackStatus, Any, bool]:
        return StackStatus("shop", "UPDATE_COMPLETE", id="arn:shop"), {"Description": "old"}, False

    def _prepare(self, template: Any, name: str, *_options: str) -> ChildResult:
        assert template == {"Description": "new"}
        return ChildResult(0, (f"made {name}",))


def test_an_update_in_which_cloudformation_sees_no_change_is_over(
    answers: Callable[[str, list[Any]], None],
) -> None:
    answers("DescribeStacks", [_stack("UPDATE_COMPLETE")])
    answers("DescribeStackEvents", [{"StackEvents": []}])
    answers("ListChangeSets", [{}])
    said = "The submitted information didn't contain changes."
    answers("DescribeChangeSet", [{"Status": "FAILED", "StatusReason": said}])
    answers("DeleteChangeSet", [{}])
    told: list[Event] = []

    class Context:
        stacks, cloud, listener = Stacks(HERE), HERE, told.append

        class assembly:
            @staticmethod
            def template(_: Any) -> Any:
                return {"Description": "new"}

    stack = Stack("shop", "shop", "shop.json")
    Idle(
        cast("DeploymentContext", Context()),
        stack,
        unmanaged_stack("shop", Phase.CONTRACT),
        DeployRequest(),
        _Board(),
    ).run()
    assert [each.updates for each in told if isinstance(each, DeployFinished)] == [0]
    assert isinstance(told[-1], TargetDone)
