"""The plugin that fails a long test without a mark."""

from __future__ import annotations

from pathlib import Path
from subprocess import PIPE, STDOUT, run
from sys import executable

import pytest

from tests.plugins.slow_marks import LIMIT, allowed

TESTS = """
import time, pytest

@pytest.mark.slow
def test_marked():
    time.sleep(0.2)

def test_unmarked():
    time.sleep(0.2)
"""
PLUGIN = """
from tests.plugins import slow_marks
slow_marks.LIMIT = 0.05
from tests.plugins.slow_marks import pytest_runtest_makereport
"""
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("workers", "processors", "times"), [(1, 2, 2), (2, 2, 2), (3, 2, 3), (8, 2, 8)])
def test_workers_that_share_a_processor_are_allowed_more(workers: int, processors: int, times: int) -> None:
    assert allowed(workers, processors) == LIMIT * times


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_only_ci_fails_a_long_test_without_the_mark(tmp_path: Path, ci: str, code: int) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "short.py").write_text(PLUGIN)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "CI": ci, "PYTEST_XDIST_WORKER_COUNT": "1"}
    done = run(
        [executable, "-m", "pytest", "-p", "short", "-q"],
        cwd=tmp_path,
        env=path,
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
    )
    assert done.returncode == code, done.stdout
    assert ("make it faster, or mark it" in done.stdout) is bool(code)
    assert f"{2 - code} passed" in done.stdout
