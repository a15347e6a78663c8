"""How the process ends: without being taken to pieces, and with everything done that an interpreter does."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent

import pytest

_USUAL = "sys.exit(main.run())"
_OURS = "process.run()"
_BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def ended(
    before: str, arguments: str, how: str, *, out: int | None = subprocess.PIPE
) -> tuple[int, str, str]:
    """Return exit code and output of a command line that is run in an interpreter of its own, after `before`."""
    program = f"""\
import atexit, sys, threading, time
from seedbed.cli import main, process
sys.argv = ["seedbed", *{arguments.split()!r}]
{dedent(before)}
{how}
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        env=_BUFFERED,
    )
    return done.returncode, done.stdout or "", done.stderr


def test_what_others_registered_for_the_end_is_called_after_threads_have_ended() -> None:
    before = """
        def late():
            time.sleep(0.3)
            print("the thread")
        threading.Thread(target=late).start()
        atexit.register(print, "at the end")
    """
    code, out, _ = ended(before, "--version", _OURS)
    assert (code, out.splitlines()[-2:]) == (0, ["the thread", "at the end"])


@pytest.mark.parametrize("arguments", ["--version", "--no-such-option", "nothing", "status -C / -e x"])
def test_the_exit_code_is_the_one_that_an_interpreter_ends_with(arguments: str) -> None:
    assert ended("", arguments, _OURS) == ended("", arguments, _USUAL)


def test_what_cannot_be_flushed_is_told_as_an_interpreter_tells_it() -> None:
    before = "sys.stdout.write('left in the buffer')"
    with open("/dev/full", "w") as full:
        ours = ended(before, "--no-such-option", _OURS, out=full.fileno())
        usual = ended(before, "--no-such-option", _USUAL, out=full.fileno())
    assert ours == usual
    assert ours[0] == 120


def test_a_profile_of_the_process_is_still_written() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cProfile", "-m", "seedbed", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "function calls" in done.stdout


@pytest.mark.parametrize("typed", ["schema", "schema status", "--help", "apply --help", "--version"])
def test_a_device_that_takes_nothing_is_no_bug_and_changes_nothing(typed: str) -> None:
    with open("/dev/full", "w") as full:
        code, _, err = ended("", typed, _OURS, out=full.fileno())
    assert code == 4, err
    assert err.startswith("error: the result cannot be written to standard output\n  because: No space left")
    assert "bug" not in err
    assert "Traceback" not in err
