"""A crash in compiled code is the one end that seedbed cannot put into words; it still says where it was."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

_CRASH = """
    import os, signal
    from seedbed.cli import main

    def crashing(*_, password="hunter2", **__):
        os.kill(os.getpid(), signal.SIGSEGV)

    main.cli.main = crashing
    main.run([])
"""


def test_a_crash_shows_the_lines_that_it_came_through_and_no_value() -> None:
    done = subprocess.run(
        [sys.executable, "-c", dedent(_CRASH)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -11
    assert "Segmentation fault" in done.stderr
    assert "in crashing" in done.stderr
    assert "in run" in done.stderr
    assert "hunter2" not in done.stderr


def test_a_process_without_standard_error_runs_all_the_same() -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m seedbed --version 2>&-"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, "seedbed" in done.stdout) == (0, True)
