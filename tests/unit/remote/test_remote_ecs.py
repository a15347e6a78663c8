"""What ECS answers about a task, as it has been seen to answer: refusals, and containers that are not ours."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from seedbed.aws import clients
from seedbed.aws.cloud import Cloud
from seedbed.aws.faults import Throttled
from seedbed.errors import UsageError
from seedbed.remote.place import TaskPlace
from seedbed.remote.tasks import NoCapacity, Tasks

ARN = "arn:aws:ecs:eu-central-1:1:task/shop-dev/1"
PLACE = TaskPlace("shop-dev", "shop-dev-task:1", "seedbed", ("subnet-1",), "sg-1")
TASKS = Tasks(Cloud("eu-central-1", "1"), PLACE)


def _answer(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def call(*_: Any, **__: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(clients, "call", call)


@pytest.mark.parametrize(
    ("code", "said", "error"),
    [
        (
            "InvalidParameterException",
            "Error retrieving security group information for [sg-1]: Request limit exceeded. "
            "(ErrorCode: RequestLimitExceeded)",
            Throttled,
        ),
        ("ClientException", "Rate exceeded", Throttled),
        (
            "ClientException",
            "You've reached the limit on the number of vCPUs you can run concurrently",
            NoCapacity,
        ),
        ("InvalidParameterException", "The subnet ID 'subnet-1' does not exist", UsageError),
    ],
)
def test_what_passes_by_itself_is_tried_again_whatever_its_code(
    monkeypatch: pytest.MonkeyPatch, code: str, said: str, error: type[Exception]
) -> None:
    _answer(monkeypatch, ClientError({"Error": {"Code": code, "Message": said}}, "RunTask"))
    with pytest.raises(error) as caught:
        TASKS.start(["status"], run="1", token="1")
    assert type(caught.value) is error
    assert said.partition("'")[0] in str(caught.value)


@pytest.mark.parametrize("ours_is_first", [True, False])
def test_the_end_of_a_task_is_that_of_our_container_and_no_other_s(
    monkeypatch: pytest.MonkeyPatch, ours_is_first: bool
) -> None:
    ours = {"name": "seedbed", "exitCode": 137, "reason": "OutOfMemoryError"}
    agent = {"name": "aws-guardduty-agent-1", "exitCode": 0, "reason": "CannotPullContainerError"}
    task = {
        "taskArn": ARN,
        "lastStatus": "STOPPED",
        "stoppedReason": "Essential container in task exited",
        "containers": [ours, agent] if ours_is_first else [agent, ours],
    }
    _answer(monkeypatch, {"tasks": [task]})
    assert TASKS.look(ARN).why == (
        "Essential container in task exited; OutOfMemoryError; CannotPullContainerError "
        "(exit code 137, ended by SIGKILL)"
    )
    ours.pop("exitCode")
    assert TASKS.look(ARN).code is None
