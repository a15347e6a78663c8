"""What whoever waits for a task is shown, and what is left of it."""

from __future__ import annotations

import io

from seedbed.cli.travel.display import Waiting
from seedbed.report.console import Output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def output(file: io.StringIO, quiet: int = 0) -> Output:
    environ = {"TERM": "xterm", "COLUMNS": "30", "LINES": "24"}
    return Output(None, file, quiet=quiet, redact=str, environ=environ)


def test_a_log_has_a_line_for_each_thing_that_is_waited_for_and_not_for_each_second() -> None:
    file = io.StringIO()
    waiting = Waiting(output(file))
    for line in ("the task is pending (1 s)", "the task is pending (3 s)", "the task is running (5 s)", ""):
        waiting(line)
    assert file.getvalue() == "the task is pending (1 s)\nthe task is running (5 s)\n"


def test_a_terminal_has_one_line_that_is_painted_over_and_goes() -> None:
    file = Terminal()
    out = output(file)
    waiting = Waiting(out)
    waiting("the task is pulling its image (12 s)")
    assert (
        file.getvalue() == "\r\x1b[Kthe task is pulling its image"
    )  # not folded: it could not be painted over
    out.log("something else")
    assert file.getvalue().endswith("\r\x1b[Ksomething else\n\r\x1b[Kthe task is pulling its image")
    waiting("")
    assert file.getvalue().endswith("\r\x1b[K")
    assert out.overlay is None


def test_with_quiet_nothing_is_said() -> None:
    file = io.StringIO()
    Waiting(output(file, quiet=1))("the task is pending (1 s)")
    assert file.getvalue() == ""
