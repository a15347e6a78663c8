"""An environment comes up: services are filled as their stacks arrive, whatever fails, and the end is told truly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from seedbed.errors import ExitCode, Interrupted, Refused, SeedbedError, StepFailed
from seedbed.model.coming_up import Arrival, Filled, Readiness, ServiceOutcome, ServicePart
from seedbed.model.event import DeployFinished, Event, TargetDone, TargetSkipped, WorkFinished, failure
from seedbed.model.outcome import Outcome, fold
from seedbed.project.bringing_up import Steps, bring_up

SERVICES = ("user", "shop", "chat")


def part(service: str, *after: str) -> ServicePart:
    return ServicePart(service, (f"{service}/memory",), frozenset({f"stack-{service}"}), frozenset(after))


PARTS = [part(each) for each in SERVICES]


def applied(database: str) -> list[Event]:
    return [WorkFinished(database, "1", "t", "up", 0.1), TargetDone(database)]


def fine(databases: Sequence[str]) -> Filled:
    return Filled(fold(event for each in databases for event in applied(each)))


class Stage:
    """A deployment whose stacks arrive when a test says so, and what was filled."""

    def __init__(self, fill: Callable[[Sequence[str]], Filled] = fine) -> None:
        self.filled: list[list[str]] = []
        self.told: list[tuple[str, int, int]] = []
        self.errors: dict[str, SeedbedError] = {}
        self.go = {each: threading.Event() for each in SERVICES}
        self._fill = fill

    def steps(self, *services: str, check: Callable[[], None] = lambda: None) -> Steps:
        """Return steps that deploy the stacks of `services` in this order."""

        def deploy(listener: Callable[[Event], None]) -> Outcome:
            events: list[Event] = []
            for each in services:
                assert self.go[each].wait(10)
                name = f"stack-{each}"
                told: list[Event] = [DeployFinished(name, name, 1, 0.1), TargetDone(name)]
                if each in self.errors:
                    told = [failure(name, self.errors[each])]
                for event in told:
                    events.append(event)
                    listener(event)
            return fold(events)

        def fill(databases: Sequence[str]) -> Filled:
            self.filled.append(list(databases))
            return self._fill(databases)

        return Steps(deploy, fill, self._tell, check)

    def _tell(self, service: ServiceOutcome, ready: int, everything: int) -> None:
        self.told.append((service.service, ready, everything))
        self.go[SERVICES[(SERVICES.index(service.service) + 1) % 3]].set()


def readiness(arrival: Arrival) -> dict[str, str]:
    return {each.service: each.readiness.value for each in arrival.services}


def test_each_service_is_filled_while_stacks_of_others_are_still_made() -> None:
    stage = Stage()
    stage.go["user"].set()
    arrival = bring_up("dev-ana", PARTS, stage.steps(*SERVICES))  # each is let go by the one before
    assert stage.filled == [[f"{each}/memory"] for each in SERVICES]
    assert stage.told == [("user", 1, 3), ("shop", 2, 3), ("chat", 3, 3)]
    assert arrival.exit_code is ExitCode.DONE
    assert len(arrival.databases.targets) == len(arrival.stacks.targets) == 3


def test_without_stacks_all_are_filled_at_once() -> None:
    filled: list[list[str]] = []

    def fill(databases: Sequence[str]) -> Filled:
        filled.append(list(databases))
        return fine(databases)

    parts = [ServicePart(each, (f"{each}/memory",)) for each in SERVICES]
    assert bring_up("dev-ana", parts, Steps(None, fill)).exit_code is ExitCode.DONE
    assert filled == [[f"{each}/memory" for each in SERVICES]]


def test_a_stack_that_fails_leaves_the_other_services_ready_and_the_exit_code_says_in_part() -> None:
    stage = Stage()
    stage.errors["shop"] = StepFailed("update 1 of 1 was not made", because="no room")
    for each in stage.go.values():
        each.set()
    arrival = bring_up("dev-ana", PARTS, stage.steps(*SERVICES))
    assert readiness(arrival) == {"user": "ready", "shop": "skipped", "chat": "ready"}
    assert arrival.services[1].because == "stack-shop failed"
    assert arrival.exit_code is ExitCode.PARTIAL


def test_a_database_that_fails_leaves_the_other_services_ready() -> None:
    def fill(databases: Sequence[str]) -> Filled:
        events = [event for each in databases if each != "shop/memory" for event in applied(each)]
        if "shop/memory" in databases:
            events.append(failure("shop/memory", StepFailed("there is no table")))
        return Filled(fold(events))

    stage = Stage(fill)
    for each in stage.go.values():
        each.set()
    arrival = bring_up("dev-ana", PARTS, stage.steps(*SERVICES))
    assert readiness(arrival) == {"user": "ready", "shop": "failed", "chat": "ready"}
    assert arrival.services[1].because == "shop/memory failed: there is no table"
    assert arrival.exit_code is ExitCode.PARTIAL


def refused(about: str) -> Callable[[Sequence[str]], Filled]:
    def fill(databases: Sequence[str]) -> Filled:
        if "shop/memory" not in databases:
            return fine(databases)
        error = Refused("a file was changed")
        error.target = about
        return Filled(errors=(error,))

    return fill


@pytest.mark.parametrize(
    ("about", "ready"), [("shop/memory", "ready"), ("", "failed"), ("elsewhere/memory", "failed")]
)
def test_a_refusal_about_one_database_lets_the_others_begin_again_without_it(about: str, ready: str) -> None:
    parts = [ServicePart(each, (f"{each}/memory",)) for each in SERVICES]
    arrival = bring_up("dev-ana", parts, Steps(None, refused(about)))
    assert readiness(arrival) == {"user": ready, "shop": "failed", "chat": ready}
    code = ExitCode.PARTIAL if ready == "ready" else ExitCode.REFUSED  # else nothing was touched
    assert arrival.exit_code is code


def test_what_comes_after_a_service_that_failed_is_skipped() -> None:
    parts = [part("user"), part("shop", "user"), part("chat")]

    def fill(databases: Sequence[str]) -> Filled:
        if "user/memory" in databases:
            return Filled(fold([failure("user/memory", StepFailed("no"))]))
        return fine(databases)

    stage = Stage(fill)
    for each in ("user", "chat"):
        stage.go[each].set()
    arrival = bring_up("dev-ana", parts, stage.steps(*SERVICES))
    assert readiness(arrival)["shop"] == "skipped"
    assert arrival.services[1].because == "it comes after user, which failed"


def test_a_deployment_that_ends_before_its_stacks_are_there_is_told_with_its_error() -> None:
    def deploy(_: Callable[[Event], None]) -> Outcome:
        raise Refused("the account is another one")

    arrival = bring_up("dev-ana", PARTS, Steps(deploy, fine))
    assert set(readiness(arrival).values()) == {"skipped"}
    assert [each.what for each in arrival.errors] == ["the account is another one"]
    assert arrival.exit_code is ExitCode.REFUSED


def test_a_stop_begins_nothing_more_and_waits_for_the_deployment() -> None:
    asked = threading.Event()

    def check() -> None:
        if asked.is_set():
            raise Interrupted("stopped")

    def fill(databases: Sequence[str]) -> Filled:
        asked.set()
        return fine(databases)

    stage = Stage(fill)
    for each in ("user", "chat"):
        stage.go[each].set()
    arrival = bring_up("dev-ana", PARTS, stage.steps(*SERVICES, check=check))
    assert readiness(arrival)["user"] == "ready"
    assert Readiness.SKIPPED in {each.readiness for each in arrival.services}
    assert arrival.exit_code is ExitCode.INTERRUPTED


def test_a_bug_in_the_deployment_is_none_of_the_environment() -> None:
    def deploy(_: Callable[[Event], None]) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bring_up("dev-ana", PARTS, Steps(deploy, fine))


def test_a_skipped_stack_is_told_as_such() -> None:
    def deploy(listener: Callable[[Event], None]) -> Outcome:
        event = TargetSkipped("stack-user", "it needs network, which failed")
        listener(event)
        return fold([event])

    arrival = bring_up("dev-ana", PARTS[:1], Steps(deploy, fine))
    assert arrival.services[0].because == "stack-user was skipped"
    assert arrival.exit_code is ExitCode.PARTIAL
