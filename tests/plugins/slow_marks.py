"""Names the tests that took long and do not say so: without the mark `slow` a test should be done in LIMIT seconds.

What is measured is the test itself, without its fixtures, by the clock on the wall: waiting costs as much as working.
Such a clock sees the neighbours and the age of the machine, too, so nothing fails by it: a run ends with the list, and
whoever reads it makes the test faster or marks it.
"""

from __future__ import annotations

import pytest

LIMIT = 10.0  # seconds
MARK = "slow"


class SlowMarks:
    """Collects what took long without the mark, from the workers of xdist too."""

    def __init__(self) -> None:
        self.slow: dict[str, float] = {}  # node id -> seconds

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.duration > LIMIT and MARK not in report.keywords:
            self.slow[report.nodeid] = report.duration

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.slow:
            return
        terminalreporter.section(f"what took more than {LIMIT:.0f} s without the mark `{MARK}`")
        for nodeid, seconds in sorted(self.slow.items(), key=lambda each: -each[1]):
            terminalreporter.line(f"{seconds:.1f} s: {nodeid}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SlowMarks(), "slow_marks")
