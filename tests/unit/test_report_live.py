"""The live display, on a terminal that is drawn here character by character, and on a real one."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seedbed.model.event import (
    LeaseAwaited,
    SeedLoaded,
    SeedProgressed,
    ServerNotice,
    TargetConnected,
    TargetDone,
    WorkFinished,
    WorkProgressed,
    WorkStarted,
)
from seedbed.report.console import Output
from seedbed.report.listening import listener_for
from seedbed.report.live import Live, bar
from tests.unit.golden.report import samples
from tests.unit.golden.report.files import same_as

ROOT = Path(__file__).parents[2]


class Screen(io.StringIO):
    """A terminal: lines, a cursor, and the sequences that the display uses; any other is refused."""

    def __init__(self, columns: int = 100) -> None:
        super().__init__()
        self.columns = columns
        self.lines = [""]
        self.row = 0
        self.column = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for piece in re.findall(r"\x1b\[\d*[A-Za-z]|[^\x1b]", text):
            self._take(piece)
        return len(text)

    def _take(self, piece: str) -> None:
        if piece == "\n":
            self.row, self.column = self.row + 1, 0
            self.lines += [""] * (self.row + 1 - len(self.lines))
        elif piece == "\r":
            self.column = 0
        elif piece.endswith("A") and len(piece) > 1:
            self.row = max(0, self.row - int(piece[2:-1]))
        elif piece == "\x1b[K":
            self.lines[self.row] = self.lines[self.row][: self.column]
        elif piece == "\x1b[J":
            self.lines[self.row :] = [self.lines[self.row][: self.column]]
        elif piece.endswith("m") and len(piece) > 1:
            pass
        else:
            assert not piece.startswith("\x1b"), piece
            kept = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = kept[: self.column] + piece + kept[self.column + 1 :]
            self.column += 1
            assert self.column < self.columns, "a line is too wide"

    @property
    def text(self) -> str:
        return "\n".join(each.rstrip() for each in self.lines)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _live(
    screen: Screen, *, targets: tuple[str, ...] = (), lines: int = 24, verbose: int = 0
) -> tuple[Live, Clock]:
    environ = {"TERM": "xterm", "COLUMNS": str(screen.columns), "LINES": str(lines)}
    output = Output(io.StringIO(), screen, redact=lambda text: text, environ=environ, verbose=verbose)
    clock = Clock()
    live = Live(output, targets=targets, clock=clock)
    output.overlay = live
    return live, clock


def test_rows_show_where_each_target_is() -> None:
    screen = Screen()
    live, clock = _live(screen, targets=("payment/postgres", "reviews/postgres", "user/postgres"))
    live.expect({each.database: len(each.actions) for each in samples.plan().databases})
    frames = []

    def frame() -> None:
        live.tick()
        frames.append(screen.text)

    frame()
    for event in samples.applied()[:8]:
        live(event)
    live(TargetConnected("reviews/postgres", "PostgreSQL 18.6"))
    live(LeaseAwaited("reviews/postgres", "ana@laptop pid 4711", 3.0))
    clock.now = 1.0
    frame()
    live(samples.applied()[8])
    live(ServerNotice("user/postgres", samples.NAMES, "WARNING", "this is slow"))
    live(WorkStarted("reviews/postgres", samples.INDEX, "index_search", "up", 2))
    live(WorkProgressed("reviews/postgres", samples.INDEX, 1, 2, "statements"))
    clock.now = 3.5
    frame()
    for event in samples.applied()[9:]:
        live(event)
    live(samples.FAILED)
    live.close()
    frames.append(screen.text)
    assert same_as("live.txt", "\n-----\n".join(frames))


def test_a_load_shows_its_part_and_how_far_it_is() -> None:
    screen = Screen()
    live, clock = _live(screen, targets=("a/b",))
    live(SeedProgressed("a/b", "volume", "1_users.csv", "load", 250, 1000, 0))
    live.tick()
    assert "volume  1_users.csv  ━━━─────────  25 %  250 of 1 000 rows" in screen.text
    clock.now = 2.0
    live(SeedProgressed("a/b", "volume", "2_orders.csv", "check", 10, 0, 0))
    live.tick()
    assert "volume  2_orders.csv  check" in screen.text
    assert "10 rows" in screen.text
    live(SeedLoaded("a/b", "volume", "1_users.csv", 1000, 0, 0))
    live.tick()
    assert "at work" in screen.text
    live.close()


def test_a_terminal_that_is_too_low_shows_what_is_at_work() -> None:
    screen = Screen()
    targets = tuple(f"s{number:02}/x" for number in range(30))
    live, _ = _live(screen, targets=targets, lines=8)
    live(WorkStarted("s20/x", "1", "one", "up"))
    live(TargetDone("s03/x"))
    live.tick()
    assert len(screen.lines) <= 8
    assert "s20/x  1  one" in screen.text
    assert screen.lines[-2] == "… and 24 waiting, 1 done"
    live.close()
    assert sum("/x" in each for each in screen.lines) == 30


def test_a_total_is_the_last_line_until_the_end() -> None:
    screen = Screen()
    live, _ = _live(screen, targets=tuple(f"s{number:02}/x" for number in range(30)), lines=8)
    live.total = lambda: "3 of 30 stacks deployed, 0 of 30 services ready"
    live(WorkStarted("s20/x", "1", "one", "up"))
    live.tick()
    assert len(screen.lines) <= 8
    assert screen.lines[-2] == "3 of 30 stacks deployed, 0 of 30 services ready"
    assert screen.lines[-3].startswith("… and ")
    live.close()
    assert "services ready" not in screen.text


def test_what_is_logged_stands_above_and_is_not_painted_over() -> None:
    screen = Screen()
    live, _ = _live(screen)
    live(TargetConnected("a/b", "x"))
    live.tick()
    for number in range(3):
        live.output.log(f"log {number}")
        live.tick()
    live.close()
    live.output.log("after")
    assert screen.text == "log 0\nlog 1\nlog 2\n○  a/b  ready\nafter\n"


def test_a_terminal_made_narrower_is_cleared_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    live, _ = _live(screen, targets=("a/b",))
    live(WorkStarted("a/b", "1", "a" * 60, "up"))
    live.tick()
    written: list[str] = []
    monkeypatch.setattr(live.output.stderr, "write", written.append)
    live.output.stderr._environ = {"COLUMNS": "30", "LINES": "24"}
    live.tick()
    assert written[0].startswith("\r\x1b[3A")  # the line of some seventy cells is three lines now


def test_a_terminal_gets_the_live_display_and_a_dumb_one_does_not() -> None:
    for term, is_live in (("xterm", True), ("dumb", False)):
        output = Output(io.StringIO(), Screen(), redact=lambda text: text, environ={"TERM": term})
        with listener_for(output) as listener:
            assert isinstance(listener, Live) is is_live
            assert (output.overlay is not None) is is_live
        assert output.overlay is None


def test_verbose_prints_what_the_rows_do_not_keep() -> None:
    screen = Screen()
    live, _ = _live(screen, verbose=1)
    live(WorkStarted("a/b", "1", "one", "up"))
    live(WorkFinished("a/b", "1", "one", "up", 0.2))
    live.close()
    assert screen.lines[:2] == ["a/b  1_one  started", "a/b  1_one  applied  200 ms"]


@pytest.mark.parametrize(
    ("fraction", "drawn"),
    [(0.0, "─" * 12), (0.5, "━" * 6 + "─" * 6), (0.999, "━" * 11 + "─"), (1.0, "━" * 12), (None, "")],
)
def test_a_bar_is_full_when_it_is_done(fraction: float | None, drawn: str) -> None:
    assert bar(fraction) == drawn


PROGRAM = """
import sys, time
from seedbed.model.event import TargetConnected, WorkStarted
from seedbed.report.console import Output
from seedbed.report.listening import listener_for
output = Output(sys.stdout, sys.stderr, redact=str)
try:
    with listener_for(output, targets=["a/b"]) as listener:
        listener(TargetConnected("a/b", "x"))
        listener(WorkStarted("a/b", "1", "one", "up"))
        time.sleep(60)
except KeyboardInterrupt:
    output.result("interrupted")
    sys.exit(130)
"""


def test_ctrl_c_leaves_the_terminal_clean() -> None:
    """A real terminal: the cursor was never hidden, no mode is left on, and what follows has a line of its own."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}
    environ.pop("GITHUB_ACTIONS", None)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    ) as child:
        os.close(theirs)
        try:
            seen = _read_until(ours, b"  one")
            child.send_signal(signal.SIGINT)
            seen += _read_until(ours, b"interrupted\r\n")
            assert child.wait(30) == 130
        finally:
            child.kill()
    os.close(ours)
    assert b"\x1b[?" not in seen
    last = seen.decode().rpartition("\r\n\x1b[J")
    assert "one  stopped" in last[0][-80:].replace("\x1b[K", "")
    assert last[2] == "interrupted\r\n"


def _read_until(descriptor: int, wanted: bytes) -> bytes:
    seen, end = b"", time.monotonic() + 30
    while wanted not in seen and time.monotonic() < end:
        if select.select([descriptor], [], [], 0.2)[0]:
            seen += os.read(descriptor, 65536)
    assert wanted in seen, seen
    return seen


def test_a_display_that_was_never_told_anything_leaves_nothing() -> None:
    screen = Screen()
    live, _ = _live(screen, targets=("a/b",))
    live.tick()
    assert "connecting" in screen.text
    live.close()
    assert screen.text == ""
