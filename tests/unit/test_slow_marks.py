"""The plugin that names a long test without a mark."""

from __future__ import annotations

from pathlib import Path
from subprocess import PIPE, STDOUT, run
from sys import executable

import pytest

TESTS = """
import time, pytest

@pytest.mark.slow
def test_marked():
    time.sleep(0.2)

def test_unmarked():
    time.sleep(0.2)

def test_quick():
    pass
"""
PLUGIN = """
from tests.plugins import slow_marks
slow_marks.LIMIT = 0.1
from tests.plugins.slow_marks import pytest_configure
"""
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]])
def test_a_long_test_without_the_mark_is_named_and_does_not_fail(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "short.py").write_text(PLUGIN)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    done = run(
        [executable, "-m", "pytest", "-p", "short", *workers, "-q"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    told = done.stdout.partition("without the mark")[2]
    assert "s: test_some.py::test_unmarked" in told
    assert "test_marked" not in told
    assert "3 passed" in done.stdout
