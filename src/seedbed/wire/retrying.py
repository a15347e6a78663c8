"""Trying again: `for attempt in retrying(policy, sleep=…)`. What is tried again, how often and when is the policy's.

::

    for attempt in retrying(policy, sleep=client.sleep):
        try:
            answer = ask()
            break
        except Broken as error:
            attempt.failed(error)  # raises it where there is no other attempt

The pause comes when the loop's body has run to its end, so that a generator can tell of it first. `sleep` decides
whether a pause can be cut short: what it raises ends the loop.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import Struct

from seedbed.support.backoff import backoff

T = TypeVar("T")


def _always(_error: BaseException) -> bool:
    return True


class Policy(Struct, frozen=True):
    """`attempts` at most (0: any number), none of which begins later than `deadline` seconds after the first (0: ever).

    `on`: errors that `retried` catches; `when`: which errors another attempt may help against. A pause is `floor`
    seconds and, with full jitter, up to `base` * 2 ** attempt, that being `cap` at most.
    """

    attempts: int = 0
    deadline: float = 0.0
    base: float = 0.05
    cap: float = 5.0
    floor: float = 0.0
    on: tuple[type[Exception], ...] = (Exception,)
    when: Callable[[BaseException], bool] = _always


class Attempt:
    """One attempt. `number` counts from 1 those that failed in a row; where the loop just goes on, the next begins."""

    __slots__ = ("_left", "_policy", "_rng", "following", "number", "pause")

    def __init__(
        self, policy: Policy, number: int, left: Callable[[], float], rng: random.Random | None
    ) -> None:
        self._policy = policy
        self._left = left
        self._rng = rng
        self.number = number
        self.following = number  # the next one's number
        self.pause = 0.0  # seconds until the next

    @property
    def is_last(self) -> bool:
        return 0 < self._policy.attempts <= self.number

    def failed(self, error: BaseException) -> float:
        """Return the seconds that will be waited before the next attempt. Raises `error` where there is none."""
        policy = self._policy
        if self.is_last or not policy.when(error):
            raise error
        rng = self._rng or random.Random()
        self.pause = policy.floor + backoff(self.number, base=policy.base, cap=policy.cap, rng=rng)
        if self.pause > self._left():
            raise error
        self.following = self.number + 1
        return self.pause

    def progressed(self) -> None:
        """Count from 1 again: something was done, and what fails now fails for the first time."""
        self.number = self.following = 1


def retrying(
    policy: Policy,
    *,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    rng: random.Random | None = None,
) -> Iterator[Attempt]:
    """Yield attempts, with the policy's pauses between them, until the loop is left. It never ends by itself."""
    end = clock() + policy.deadline if policy.deadline else 0.0

    def left() -> float:
        return end - clock() if policy.deadline else float("inf")

    number = 1
    while True:
        attempt = Attempt(policy, number, left, rng)
        yield attempt
        number = attempt.following
        if attempt.pause:
            sleep(attempt.pause)


def retried(
    policy: Policy,
    work: Callable[[], T],
    *,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    rng: random.Random | None = None,
) -> T:
    """Return what `work` returns, at the first attempt that raises none of the policy's errors. Raises the last one."""
    for attempt in retrying(policy, sleep=sleep, clock=clock, rng=rng):
        try:
            return work()
        except policy.on as error:
            attempt.failed(error)
    raise AssertionError("attempts end by an answer or an error")
