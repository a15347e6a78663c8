"""Says what did not run, and why; where SEEDBED_FAIL_ON_SKIP=1, a skip fails the run.

A run that is green because it skipped proves nothing. So it ends with one line for each test that was skipped or
deselected. Deselecting is a person's own choice and never a failure.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePath

import pytest

STRICT = "SEEDBED_FAIL_ON_SKIP"
DESELECTED = "seedbed_deselected"
GREEN = {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}


class NoSilentSkips:
    """Collects skips and deselections, from the workers of xdist too, where there are any."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.worker = hasattr(config, "workeroutput")
        self.strict = os.environ.get(STRICT, "") not in {"", "0"}
        self.skipped: dict[str, str] = {}  # node id -> reason
        self.deselected: dict[str, None] = {}  # every worker deselects the same ones

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[report.nodeid] = _reason(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped[report.nodeid] = _reason(report)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.deselected.update(dict.fromkeys(item.nodeid for item in items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        # A worker that crashed has no output.
        self.deselected.update(dict.fromkeys(getattr(node, "workeroutput", {}).get(DESELECTED, ())))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.worker:
            # Before xdist sends it: its own hook wraps this one.
            self.config.workeroutput[DESELECTED] = list(self.deselected)  # type: ignore[attr-defined]
        elif self.strict and self.skipped and exitstatus in GREEN:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.skipped and not self.deselected:
            return
        terminalreporter.section("what did not run")
        for nodeid, reason in sorted(self.skipped.items()):
            terminalreporter.line(f"did not run: {nodeid}: {reason}", red=self.strict)
        for nodeid in sorted(self.deselected):
            terminalreporter.line(f"did not run: {nodeid}: deselected")
        if self.skipped and self.strict:
            terminalreporter.line(f"{STRICT} is set: {len(self.skipped)} skipped is a failure", red=True)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why it was skipped, in the words of whoever skipped it."""
    if isinstance(report.longrepr, tuple):
        path, line, message = report.longrepr
        return f"{str(message).removeprefix('Skipped: ')} ({PurePath(path).name}:{line})"
    return str(report.longrepr)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(NoSilentSkips(config), "seedbed-no-silent-skips")
