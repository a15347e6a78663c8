"""The one sink."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seedbed.documents.errors import ErrorEntry
from seedbed.errors import OutputLost, UsageError
from seedbed.model.secret import Redactor, Secret
from seedbed.report.console import Output
from seedbed.report.styles import Style, Table, line, row
from tests.unit.golden.report import samples

SRC = str(Path(__file__).parents[2] / "src")
RED = [line(("red", Style.BAD))]


class Terminal(io.StringIO):
    """A terminal in memory."""

    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A pipe whose reader went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


class Full(io.StringIO):
    """A file on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


class Latin(Terminal):
    encoding = "iso-8859-1"


def _same(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("stream", "color", "environ", "painted"),
    [
        (Terminal, "auto", {"TERM": "xterm"}, True),
        (Terminal, "auto", {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Terminal, "auto", {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal, "auto", {"TERM": "dumb"}, False),
        (Terminal, "auto", {}, False),
        (Terminal, "never", {"TERM": "xterm"}, False),
        (Terminal, "always", {"NO_COLOR": "1"}, True),
        (io.StringIO, "auto", {"TERM": "xterm"}, False),
        (io.StringIO, "always", {"TERM": "xterm"}, True),
    ],
)
def test_colour_is_for_terminals_that_want_it(stream, color, environ, painted) -> None:  # type: ignore[no-untyped-def]
    out = stream()
    Output(out, io.StringIO(), color=color, redact=_same, environ=environ).result(RED)
    assert out.getvalue() == ("\x1b[31mred\x1b[0m\n" if painted else "red\n")


def test_results_and_logs_do_not_mix() -> None:
    out, err = io.StringIO(), io.StringIO()
    output = Output(out, err, redact=_same, environ={})
    output.result("result")
    output.log("log\n")
    output.log("for -v", level=1)
    assert (out.getvalue(), err.getvalue()) == ("result\n", "log\n")


def test_quiet_leaves_errors() -> None:
    out, err = io.StringIO(), io.StringIO()
    output = Output(out, err, quiet=1, verbose=2, redact=_same, environ={})
    output.log("log")
    output.error(ErrorEntry.of(UsageError("what", try_="that")))
    assert err.getvalue() == "error: what\n  try:     that\n"


def test_a_table_is_narrowed_on_a_terminal_and_whole_in_a_pipe() -> None:
    table = [Table((row("x" * 50, "end"),), flex=0)]
    for stream, width in ((Terminal, 30), (io.StringIO, 55)):
        out = stream()
        Output(out, io.StringIO(), redact=_same, environ={"COLUMNS": "30"}).result(table)
        assert len(out.getvalue().rstrip("\n")) == width


def test_secrets_do_not_leave_by_any_way() -> None:
    out, err = io.StringIO(), io.StringIO()
    output = Output(out, err, redact=Redactor([Secret("hunter2!")]), environ={"GITHUB_ACTIONS": "true"})
    output.result("it is hunter2!")
    output.log([Table((row("hunter2!", "x"),))])
    output.document({"a": ["hunter2!"]})
    output.error(ErrorEntry.of(UsageError("hunter2!", because="hunter2!")))
    assert "hunter2" not in out.getvalue() + err.getvalue()
    assert out.getvalue().count("********") == 2
    assert err.getvalue().count("********") == 5


def test_a_document_is_json_whatever_the_encoding() -> None:
    out = Latin()
    Output(out, io.StringIO(), redact=_same, environ={}).document({"a": "…"})
    assert out.getvalue().isascii()
    assert json.loads(out.getvalue()) == {"a": "…"}


def test_an_encoding_without_our_signs_gets_others() -> None:
    out = Latin()
    Output(out, io.StringIO(), redact=_same, environ={}).result("✓ é 数")
    assert out.getvalue() == "* é \\u6570\n"


def test_a_reader_that_left_is_no_error() -> None:
    output = Output(Gone(), Gone(), redact=_same, environ={})
    output.result("a")
    output.result("b")
    output.log("c")
    output.document({})


def test_a_closed_stream_is_no_error() -> None:
    output = Output(None, None, redact=_same, environ={})
    output.result("a")
    output.log("b")


def test_a_result_that_is_lost_is_an_error_and_progress_that_is_lost_is_none() -> None:
    output = Output(Full(), Full(), redact=_same, environ={})
    output.log("progress")
    with pytest.raises(OutputLost, match="No space"):
        output.result("result")


def test_on_github_an_error_is_an_annotation_too_and_servers_command_nothing() -> None:
    err = io.StringIO()
    output = Output(io.StringIO(), err, redact=_same, environ={"GITHUB_ACTIONS": "true"})
    output.error(ErrorEntry.of(UsageError("x\n::add-mask::y")))
    assert err.getvalue() == "error: x\n       : :add-mask::y\n::error title=seedbed::x%0A::add-mask::y\n"


def test_lines_from_many_threads_stay_whole() -> None:
    err = io.StringIO()
    output = Output(io.StringIO(), err, redact=_same, environ={})

    def tell(letter: str) -> None:
        for _ in range(50):
            output.log(letter * 50)

    threads = [threading.Thread(target=tell, args=(letter,)) for letter in "abcd"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    lines = err.getvalue().splitlines()
    assert len(lines) == 200
    assert all(len(set(each)) == 1 and len(each) == 50 for each in lines)


PROGRAM = """
import sys
from seedbed.report.console import Output
output = Output(sys.stdout, sys.stderr, redact=str)
for number in range(100000):
    output.result("line " * 20)
sys.exit(6)
"""


def test_head_in_a_pipe_leaves_exit_code_and_stderr_alone() -> None:
    environ = {**os.environ, "PYTHONPATH": SRC}
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    said = child.stderr.read()
    child.stderr.close()
    assert child.wait(60) == 6
    assert said == b""


IMPORTS = """
import io, sys
from seedbed.documents import schemas, status
from seedbed.report import console, github, listening
from seedbed.report.text import deployment, doctor, environments, errors, outcome, plan, seeds
from seedbed.report.text.status import status_text
from tests.unit.golden.report import samples
output = console.Output(sys.stdout, sys.stderr, redact=str)
with listening.listener_for(output) as listener:
    for event in samples.eventful():
        listener(event)
output.result(status_text(status.StatusDocument.of(samples.status(), "status")))
print(sorted({name.partition(".")[0] for name in sys.modules} & {"rich", "click", "psycopg", "msgspec"}))
"""


def test_reports_import_no_library_but_the_models() -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([SRC, str(Path(SRC).parent)])}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, env=environ, check=True
    )
    assert done.stdout.splitlines()[-1] == "['msgspec']"  # the model is made of it


def test_an_error_of_ours_reads_the_same_in_the_terminal_as_in_its_golden_file() -> None:
    err = io.StringIO()
    Output(io.StringIO(), err, redact=_same, environ={}).error(ErrorEntry.of(samples.error()))
    assert err.getvalue() == (Path(__file__).parent / "golden/report/error.txt").read_text(encoding="utf-8")
