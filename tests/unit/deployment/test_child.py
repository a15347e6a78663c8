"""Children: their lines come as they are said, and they end when we are told to, or when we die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.deployment.child import GUARD, Child, run
from seedbed.errors import ExitCode, Interrupted, Unavailable
from seedbed.execution.stopping import Stop
from tests.support.processes import alive, until

PYTHON = [sys.executable, "-u", "-c"]
SLEEPER = "import time\nprint('up', flush=True)\ntime.sleep(600)"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"


def _run(
    code: str, stop: Stop, on_line: Callable[[str], None] = lambda _: None
) -> tuple[int, tuple[str, ...]]:
    ran = run([*PYTHON, code], cwd=Path("/"), environ=dict(os.environ), on_line=on_line, stop=stop)
    return ran.code, ran.lines


def test_both_streams_are_told_line_by_line_without_colours() -> None:
    code = "import sys\nprint('\\x1b[32mone\\x1b[0m')\nprint('two', file=sys.stderr)\nsys.exit(3)"
    told: list[str] = []
    assert _run(code, Stop(), told.append) == (3, ("one", "two"))
    assert told == ["one", "two"]


def test_it_gets_the_environment_that_it_is_given_and_no_other() -> None:
    code = "import os\nprint(sorted(each for each in os.environ if each != 'LC_CTYPE'))"
    ran = run([*PYTHON, code], cwd=Path("/"), environ={"X": "1"}, on_line=lambda _: None, stop=Stop())
    assert ran.lines == ("['X']",)


def test_it_ends_when_we_are_asked_to_stop() -> None:
    stop = Stop()
    with pytest.raises(Interrupted):
        _run(SLEEPER, stop, lambda _: stop.request(ExitCode.TERMINATED))
    assert stop.code is ExitCode.TERMINATED


def test_nothing_is_started_after_we_were_asked_to_stop() -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(Interrupted):
        _run("raise SystemExit('started')", stop)


def test_one_that_hears_nothing_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedbed.deployment.child._PATIENCE", 0.2)
    child = Child([*PYTHON, DEAF], cwd=Path("/"), environ=dict(os.environ))

    def interrupt(_: str) -> None:
        def again() -> None:
            for _ in range(2):
                child.interrupt()
                time.sleep(0.3)

        threading.Thread(target=again).start()

    assert child.wait(interrupt).code == -signal.SIGKILL


def test_a_program_that_is_not_there_is_named() -> None:
    ran = run(["/nonexistent"], cwd=Path("/"), environ={}, on_line=lambda _: None, stop=Stop())
    assert ran.code != 0
    assert "nonexistent" in ran.last_lines
    with pytest.raises(Unavailable, match="cannot be started"):
        run(["x"], cwd=Path("/nonexistent"), environ={}, on_line=lambda _: None, stop=Stop())


def test_it_dies_with_whoever_started_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    child_code = f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    argv = [sys.executable, "-I", "-S", str(GUARD)]
    owner = (
        "import os, subprocess, time\n"
        f"subprocess.Popen([*{argv!r}, str(os.getpid()), {sys.executable!r}, '-c', {child_code!r}])\n"
        "time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", owner])
    assert until(lambda: pid.exists() and pid.read_text() != "")
    child = int(pid.read_text())
    process.kill()
    process.wait()
    assert until(lambda: not alive(child))
