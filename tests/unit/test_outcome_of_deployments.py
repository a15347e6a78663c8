"""What the events of a deployment add up to."""

from __future__ import annotations

from seedbed.errors import ExitCode, StepFailed
from seedbed.model.event import DeployFinished, DeployProgressed, DeployStarted, Event, TargetDone, failure
from seedbed.model.outcome import Result, fold

T, S = "courses/dynamodb", "shop-dev-courses-dynamodb"


def _fails(*events: Event) -> ExitCode:
    return fold((*events, failure(T, StepFailed("no")))).exit_code


def test_a_deployment_that_found_nothing_to_do_changed_nothing() -> None:
    assert fold((TargetDone(T),)).targets[0].result is Result.UNCHANGED


def test_following_what_another_run_began_changed_nothing() -> None:
    assert not fold((DeployProgressed(T, S, 0, "UPDATE_IN_PROGRESS"), TargetDone(T))).changed


def test_updates_are_counted() -> None:
    outcome = fold((DeployStarted(T, S, 2), DeployFinished(T, S, 2, 1.0), TargetDone(T)))
    assert (outcome.targets[0].updates, outcome.targets[0].result) == (2, Result.CHANGED)


def test_a_first_update_that_fails_left_nothing() -> None:
    assert _fails(DeployStarted(T, S, 2), DeployProgressed(T, S, 1, "x", 0, 2, "updates")) is ExitCode.FAILED


def test_a_second_update_that_fails_left_the_first() -> None:
    began = (DeployProgressed(T, S, 1, "x", 0, 2, "updates"), DeployProgressed(T, S, 2, "y", 1, 2, "updates"))
    assert _fails(DeployStarted(T, S, 2), *began) is ExitCode.PARTIAL


def test_what_was_made_and_is_not_ready_stayed() -> None:
    made = DeployProgressed(T, S, 1, "x", 1, 1, "updates")
    waiting = DeployProgressed(T, S, 1, "index a.b is being filled", 0, 1, "ready")
    assert _fails(DeployProgressed(T, S, 1, "x", 0, 1, "updates"), made, waiting) is ExitCode.PARTIAL
