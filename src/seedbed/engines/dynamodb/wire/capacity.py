"""Capacity budgets: so many units a second and no more, by what requests really consumed.

A request asks for the units that it expects to need, and says afterwards what it took. The ratio of the two is
learned, so that estimates may be wrong in the same way all the time.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

GOAL = 0.96  # of what is allowed: the rest is room for errors, so that a run stays below
BURST = 0.12  # seconds of the rate that may be saved up; what is saved beyond it is a reserve
LARGEST = 0.06  # seconds of the rate that one request should ask for at most
_RESERVE = 1.0  # seconds of the goal that are kept for later where nobody came for them in time
_CATCH_UP = 0.08  # of the goal: how fast the reserve is given out, so that a late wake-up costs no throughput
_MEMORY = 0.9  # how much of what was learned is kept at each lesson
_LESS = 0.75  # of the rate, after a throttle
_MORE = 0.05  # of the goal, for each second that went well
_PAUSE = 0.5  # seconds in which many throttles count as one: they are of the same moment
_LEAST = 0.02  # of the goal, however much is throttled
# Where there is no goal: units a second that any table gives, and how fast to look for what this one gives.
_UNKNOWN_LEAST, _UNKNOWN_MORE = 25.0, 0.25
_RATIOS = (0.01, 100.0)


class UnitRate:
    """The arithmetic of a budget: a token bucket in debt. Pure: `now` (seconds, never going back) is passed in.

    `units`: a second; 0 means no limit until something is throttled.
    """

    def __init__(self, units: float, now: float) -> None:
        self._goal = units * GOAL if units else math.inf
        self.rate = self._goal
        self.ratio = 1.0  # units consumed for each unit estimated
        self._level = 0.0
        self._waiting = 0.0  # estimated units of what was taken and is not settled
        self._at = now
        self._consumed, self._estimated = 0.0, 0.0
        self._throttled_at = -math.inf
        self._reserve = 0.0
        self._recent = 0.0  # units a second, over about the last second

    @property
    def largest(self) -> float:
        """How many units one request should ask for at most: larger ones make the flow lumpy."""
        return self.rate * LARGEST if math.isfinite(self._goal) else math.inf

    def wait(self, estimate: float, now: float) -> float:
        """Return seconds until `estimate` units may be taken, 0 for now; infinity: when something is settled."""
        self._advance(now)
        if math.isinf(self.rate):
            return 0.0
        if self._waiting and not self._estimated:
            return math.inf  # nothing is learned yet: the first request goes alone
        missing = min(estimate * self.ratio, self.rate * BURST) - self._free()
        # Adding times of day makes rounding errors: what is missing by them is not missing.
        return missing / self.rate if missing > self.rate * 1e-6 else 0.0

    def take(self, estimate: float) -> None:
        self._waiting += estimate

    def settle(self, estimate: float, actual: float, now: float) -> None:
        """Replace `estimate` units that were taken by the `actual` ones; 0 for a request that did not happen."""
        self._advance(now)
        self._waiting = max(self._waiting - estimate, 0.0)
        self._recent += actual
        if not math.isinf(self.rate):
            self._level -= actual
        if actual > 0 and estimate > 0:
            self._consumed = self._consumed * _MEMORY + actual
            self._estimated = self._estimated * _MEMORY + estimate
            self.ratio = min(max(self._consumed / self._estimated, _RATIOS[0]), _RATIOS[1])

    def throttled(self, now: float) -> None:
        """Slow down: the table gives less than we thought."""
        self._advance(now)
        if now - self._throttled_at < _PAUSE:
            return
        self._throttled_at = now
        if math.isinf(self.rate):
            self._level = 0.0
            self.rate = self._recent
        floor = self._goal * _LEAST if math.isfinite(self._goal) else _UNKNOWN_LEAST
        self.rate = max(self.rate * _LESS, floor)
        self._level = min(self._level, 0.0)

    def _free(self) -> float:
        return self._level - self._waiting * self.ratio

    def _advance(self, now: float) -> None:
        """Let the time since the last look pass."""
        passed = max(now - self._at, 0.0)
        self._at = max(now, self._at)
        self._recent *= math.exp(-passed)
        if math.isinf(self.rate):
            return
        if now - self._throttled_at >= _PAUSE:
            knows = math.isfinite(self._goal)
            step = self._goal * _MORE if knows else self.rate * _UNKNOWN_MORE + _UNKNOWN_LEAST
            self.rate = min(self.rate + step * passed, self._goal)
        self._fill(passed)

    def _fill(self, passed: float) -> None:
        """Give the bucket what `passed` seconds are worth; what it cannot hold goes to the reserve."""
        extra = 0.0
        if self.rate >= self._goal:
            extra = min(self._reserve, passed * self._goal * _CATCH_UP)
        level = self._level + passed * self.rate + extra
        full = self.rate * BURST + self._waiting * self.ratio
        self._level = min(level, full)
        if math.isfinite(self._goal):
            kept = self._reserve - extra + max(level - full, 0.0)
            self._reserve = min(kept, self._goal * _RESERVE)


class CapacityBudget:
    """A `UnitRate` that threads share. `sleep` may raise to end the wait (`Client.sleep` does, when interrupted)."""

    def __init__(
        self,
        units_per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._rate = UnitRate(units_per_second, clock())
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self.consumed = 0.0  # units, of all that was settled

    @property
    def rate(self) -> float:
        """Units a second that are asked for now; infinite where there is no limit."""
        return self._rate.rate

    @property
    def largest(self) -> float:
        """How many units one request should ask for at most, by its estimate; infinite where there is no limit."""
        with self._lock:
            return self._rate.largest / self._rate.ratio

    def acquire(self, estimate: float) -> None:
        """Wait until `estimate` units may be consumed; `settle` has to follow, whatever happens to the request."""
        with self._turn:  # one waits for the units, the others for their turn: a large request is not starved
            while (seconds := self._missing(estimate)) > 0:
                self._sleep(min(seconds, _LOOK))

    def settle(self, estimate: float, actual: float) -> None:
        """Say what a request took whose `estimate` was acquired: 0 where it failed or never was sent."""
        with self._lock:
            self._rate.settle(estimate, actual, self._clock())
            self.consumed += actual

    def throttled(self) -> None:
        """Say that a request was throttled; the rate goes down, and comes back slowly."""
        with self._lock:
            self._rate.throttled(self._clock())

    def _missing(self, estimate: float) -> float:
        """Return seconds to wait, or take the units and return 0."""
        with self._lock:
            seconds = self._rate.wait(estimate, self._clock())
            if seconds <= 0:
                self._rate.take(estimate)
            return seconds


_LOOK = 0.05  # seconds; what others settle meanwhile changes how long there is to wait
