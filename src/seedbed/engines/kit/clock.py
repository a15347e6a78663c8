"""The clock by which a run judges its own silence, and a waiter that of another run."""

from __future__ import annotations

import time

# A machine that slept counts as gone for as long as it did; the clock that sees its sleep has no name everywhere.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Return seconds of a clock that never goes back, and goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)
