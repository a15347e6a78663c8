"""Trying again: how often, for how long, after which errors, and how a pause is cut short."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.errors import Interrupted
from seedbed.wire.retrying import Policy, retried, retrying


class Passing(Exception):
    """What another attempt may help against."""


class Final(Exception):
    """What it does not."""


class Time:
    """A clock that moves when somebody sleeps, and by what each attempt takes."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


policies = st.builds(
    Policy,
    attempts=st.integers(1, 12),
    deadline=st.just(0.0) | st.floats(0.1, 60.0),
    base=st.floats(0.001, 2.0),
    cap=st.floats(0.001, 20.0),
    floor=st.just(0.0) | st.floats(0.0, 0.5),
    on=st.just((Passing,)),
)


@given(policy=policies, failures=st.integers(0, 15), takes=st.floats(0.0, 5.0), seed=st.integers(0, 99))
def test_a_policy_is_kept(policy: Policy, failures: int, takes: float, seed: int) -> None:
    time, begun, raised = Time(), list[float](), list[Passing]()

    def work() -> str:
        begun.append(time.now)
        time.now += takes
        if len(begun) <= failures:
            raised.append(Passing(len(begun)))
            raise raised[-1]
        return "done"

    try:
        found: object = retried(policy, work, sleep=time.sleep, clock=time.clock, rng=Random(seed))
    except Passing as error:
        found = error
    assert len(begun) <= policy.attempts
    assert found == "done" if len(begun) > failures else found is raised[-1]
    assert len(time.slept) == len(begun) - 1
    for number, pause in enumerate(time.slept, 1):
        assert policy.floor <= pause <= policy.floor + min(policy.cap, policy.base * 2**number)
    if policy.deadline:
        assert all(each <= 1000.0 + policy.deadline + 1e-6 for each in begun)
    elif failures < policy.attempts:
        assert found == "done"


@given(number=st.integers(1, 5))
def test_what_the_policy_does_not_name_ends_at_once(number: int) -> None:
    calls, time = list[int](), Time()

    def work() -> None:
        calls.append(1)
        raise Passing if len(calls) < number else Final

    policy = Policy(attempts=10, when=lambda error: isinstance(error, Passing))
    with pytest.raises(Final):
        retried(policy, work, sleep=time.sleep)
    assert (len(calls), len(time.slept)) == (number, number - 1)


def test_an_error_that_is_not_caught_is_not_the_policys() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        retried(Policy(on=(Passing,)), lambda: int("x"), sleep=lambda _: None)


def test_what_interrupts_the_pause_ends_the_loop() -> None:
    calls = list[int]()

    def sleep(_: float) -> None:
        raise Interrupted("stop")

    def work() -> None:
        calls.append(1)
        raise Passing

    with pytest.raises(Interrupted):
        retried(Policy(), work, sleep=sleep)
    assert calls == [1]


def test_the_pause_is_known_before_it_begins() -> None:
    time, told = Time(), list[float]()
    for attempt in retrying(Policy(attempts=5), sleep=time.sleep):
        if attempt.number == 5:
            break
        told.append(attempt.failed(Passing()))
        assert len(time.slept) == attempt.number - 1
    assert time.slept == told


def test_an_attempt_that_did_not_fail_is_not_counted() -> None:
    time, numbers = Time(), list[int]()
    for attempt in retrying(Policy(attempts=2), sleep=time.sleep):
        numbers.append(attempt.number)
        if len(numbers) == 3:
            attempt.failed(Passing())
        if len(numbers) == 4:
            break
    assert numbers == [1, 1, 1, 2]
    assert len(time.slept) == 1


@given(steps=st.lists(st.booleans(), max_size=30), attempts=st.integers(1, 5))
def test_what_progresses_may_fail_again_and_again_but_not_so_often_in_a_row(
    steps: list[bool], attempts: int
) -> None:
    waiting, failed, most = list(steps), 0, 0
    try:
        for attempt in retrying(Policy(attempts=attempts), sleep=lambda _: None):
            if not waiting:
                break
            if waiting.pop(0):
                attempt.progressed()
                failed = 0
            else:
                failed += 1
                most = max(most, failed)
                attempt.failed(Passing())
    except Passing:
        assert most == attempts
    else:
        assert most < attempts
