"""Budgets on a simulated clock: workers, latencies and wrong estimates, and what every second really got."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedbed.engines.dynamodb.wire.capacity import CapacityBudget, UnitRate

Use = tuple[float, float]  # when, how many units


def simulated(
    units: float,
    *,
    seconds: float,
    workers: int,
    latency: float,
    estimate: float,
    factor: float,
    rng: Random,
    stall: float = 0.0,
) -> list[Use]:
    """Return what `workers` consumed, when, each asking for about `estimate` units that really are `factor` as many.

    A request consumes somewhere in the `latency` seconds between asking and settling. `stall`: seconds that a worker
    wakes up too late at most, now and then.
    """
    rate, now, used = UnitRate(units, 0.0), 0.0, list[Use]()
    order = itertools.count()
    queue: list[tuple[float, int, tuple[float, float] | None]] = [
        (0.0, next(order), None) for _ in range(workers)
    ]
    while queue[0][0] < seconds:
        now, _, done = heapq.heappop(queue)
        if done:
            rate.settle(*done, now)
        wanted = estimate * rng.uniform(0.5, 1.5)
        wait = rate.wait(wanted, now)
        if wait > 0:
            late = stall * rng.random() if rng.random() < 0.1 else 0.0
            heapq.heappush(queue, (now + min(wait, 0.02) + late, next(order), None))
            continue
        rate.take(wanted)
        took = wanted * factor * rng.uniform(0.8, 1.2)
        used.append((now + latency * rng.random(), took))
        heapq.heappush(queue, (now + latency, next(order), (wanted, took)))
    return sorted(used)


def busiest(used: list[Use], *, window: float = 1.0) -> float:
    """Return the units of the busiest `window` seconds, wherever it begins."""
    most = total = 0.0
    start = 0
    for at, units in used:
        total += units
        while used[start][0] <= at - window:
            total -= used[start][1]
            start += 1
        most = max(most, total)
    return most


@settings(max_examples=settings().max_examples // 5)  # each simulates a thousand requests
@given(
    units=st.floats(50, 20_000),
    workers=st.integers(1, 16),
    latency=st.floats(0.001, 0.06),
    factor=st.sampled_from([1 / 3, 0.5, 1.0, 2.0, 3.0]),
    seed=st.integers(0, 2**32),
)
def test_no_second_gets_more_than_a_fifth_too_much_and_a_run_gets_what_it_may(
    units: float, workers: int, latency: float, factor: float, seed: int
) -> None:
    seconds = 12.0
    # As many workers as it takes, and requests of a size that the budget can be cut into.
    estimate = min(units * 0.02, 40.0) / factor
    workers = max(workers, math.ceil(2 * units * latency / (estimate * factor)))
    used = simulated(
        units,
        seconds=seconds,
        workers=workers,
        latency=latency,
        estimate=estimate,
        factor=factor,
        rng=Random(seed),
    )
    assert busiest(used) <= 1.2 * units
    total = sum(each for at, each in used if at <= seconds)
    assert 0.9 * units <= total / seconds <= 1.0 * units


@settings(max_examples=settings().max_examples // 5)
@given(units=st.floats(100, 5_000), seed=st.integers(0, 2**32))
def test_workers_that_wake_up_late_lose_nothing_and_take_no_more(units: float, seed: int) -> None:
    seconds = 12.0
    used = simulated(
        units,
        seconds=seconds,
        workers=3,
        latency=0.01,
        estimate=units * 0.05,
        factor=1.0,
        rng=Random(seed),
        stall=0.3,
    )
    assert busiest(used) <= 1.2 * units
    total = sum(each for at, each in used if at <= seconds)
    assert 0.9 * units <= total / seconds <= 1.0 * units


def test_a_request_larger_than_a_second_of_the_budget_goes_alone_and_is_paid_for_afterwards() -> None:
    rate = UnitRate(10, 0.0)
    assert 0 < rate.wait(100, 0.0) <= 0.2
    rate.take(100)
    rate.settle(100, 100, 0.2)
    assert rate.wait(1, 0.2) > 9


def test_the_first_request_goes_alone_until_it_is_known_what_it_took() -> None:
    rate = UnitRate(100, 0.0)
    assert rate.wait(1, 1.0) == 0
    rate.take(1)
    assert rate.wait(1, 1.0) == math.inf
    rate.settle(1, 3, 1.1)
    assert rate.wait(1, 1.1) < 1
    assert rate.ratio == pytest.approx(3)


def test_throttles_of_the_same_moment_count_once_and_the_rate_comes_back_slowly() -> None:
    rate = UnitRate(100, 0.0)
    for _ in range(20):
        rate.throttled(1.0)
    slow = rate.rate
    assert slow == pytest.approx(96 * 0.75)
    rate.wait(1, 2.0)
    assert slow < rate.rate < 96
    rate.wait(1, 30.0)
    assert rate.rate == pytest.approx(96)


def test_without_a_limit_nobody_waits_until_something_is_throttled() -> None:
    rate, now = UnitRate(0, 0.0), 0.0
    for _ in range(1000):
        now += 0.01
        assert rate.wait(10, now) == 0
        rate.take(10)
        rate.settle(10, 10, now)
    rate.throttled(now)
    # 1000 units a second were going through.
    assert 500 < rate.rate < 800
    assert rate.wait(100, now) > 0


def test_a_rate_that_is_throttled_for_ever_does_not_stop() -> None:
    rate = UnitRate(1000, 0.0)
    for second in range(1, 1000):
        rate.throttled(float(second))
    assert rate.rate >= 960 * 0.02


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.now += seconds


def test_a_budget_that_threads_share_lets_through_what_it_may() -> None:
    clock = Clock()
    budget = CapacityBudget(1000, clock=clock, sleep=clock.sleep)

    def work() -> None:
        for _ in range(250):
            budget.acquire(5)
            budget.settle(5, 10)

    together(work, 8)
    assert budget.consumed == 8 * 250 * 10
    assert 0.9 * 1000 <= budget.consumed / clock.now <= 1000


def test_a_wait_that_is_interrupted_leaves_the_turn_to_the_next() -> None:
    def raising() -> Iterator[BaseException | None]:
        yield KeyboardInterrupt()
        while True:
            yield None

    clock, raises = Clock(), raising()

    def sleep(seconds: float) -> None:
        if error := next(raises):
            raise error
        clock.sleep(seconds)

    budget = CapacityBudget(10, clock=clock, sleep=sleep)
    with pytest.raises(KeyboardInterrupt):
        budget.acquire(5)
    budget.acquire(5)
    budget.settle(5, 5)
    assert budget.consumed == 5


def together(work: Callable[[], None], count: int) -> None:
    """Run `work` in `count` threads and wait for them."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not any(each.is_alive() for each in threads)
