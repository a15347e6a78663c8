"""A test that takes long says so: without the mark `slow` it has LIMIT seconds, and in CI it fails beyond what is allowed.

What is measured is the test itself, without its fixtures, by the clock on the wall: waiting costs as much as working.
A clock on the wall sees the neighbours, too, so only CI is strict, where CI=true, and it allows twice the limit, times
the workers that share a processor. `--durations=40`, which CI prints, shows what comes close.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

LIMIT = 10.0  # seconds


def allowed(workers: int, processors: int) -> float:
    """Return for how many seconds an unmarked test may take, where so many workers share the processors."""
    return LIMIT * 2 * max(1.0, workers / processors)


def _reason(seconds: float) -> str | None:
    """Return why a test without the mark took too long; None where it did not."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    limit = allowed(workers, os.cpu_count() or 1)
    if seconds <= limit:
        return None
    return f"it took {seconds:.1f} s, and without the mark `slow` {limit:.0f} s are allowed: make it faster, or mark it"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    is_judged = call.when == "call" and report.passed and item.get_closest_marker("slow") is None
    if is_judged and os.environ.get("CI") == "true" and (reason := _reason(call.duration)):
        report.outcome = "failed"
        report.longrepr = reason
    return report
