"""What whoever waits for a task is shown, and what is left of it."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import pytest

from seedbed.cli.context import CommandContext
from seedbed.cli.travel.display import Display, Waiting
from seedbed.remote.records import Asked
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


def test_a_terminal_gets_the_colours_of_a_record_and_nothing_else_that_it_would_obey() -> None:
    """Who may write records of runs is not who sits at the terminal."""
    attack = "\x1b[31mred\x1b[0m \x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b2J\r\u202eevil\tx\n"
    file = Terminal()
    output(file).pass_on("stderr", attack)
    assert file.getvalue() == (
        "\x1b[31mred\x1b[0m \\x1b]52;c;ZXZpbA==\\x07\\x1b[2J\\x9b2J\\x0d\\u202eevil    x\n"
    )
    log = io.StringIO()
    output(log).pass_on("stderr", attack)
    assert log.getvalue() == attack
    file = Terminal()
    Waiting(output(file))("AWS says \x1b]0;x\x07")
    assert file.getvalue() == "\r\x1b[KAWS says \\x1b]0;x\\x07"


class Asks:
    """A command at a terminal, or without one."""

    def __init__(self, file: io.StringIO, *, can_ask: bool) -> None:
        self.out, self.can_ask = output(file), can_ask

    def asking(self) -> AbstractContextManager[None]:
        return nullcontext()


def test_who_cannot_be_asked_leaves_the_question_to_others() -> None:
    file, answers = io.StringIO(), list[str]()

    def answer(_number: int, text: str) -> str:
        answers.append(text)
        return text

    Display(cast("CommandContext", Asks(file, can_ask=False)), answer)(Asked(0, "sure?"))
    assert answers == []
    assert file.getvalue() == "the run waits for an answer, and there is no terminal here: sure?\n"


def test_who_was_slower_is_told_which_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    file = io.StringIO()
    Display(cast("CommandContext", Asks(file, can_ask=True)), lambda _, _text: "no")(Asked(0, "sure?"))
    assert file.getvalue() == "it was answered meanwhile: no\n"
