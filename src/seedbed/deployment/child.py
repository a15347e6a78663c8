"""Running a program as a child: its lines are told as they come, it ends when we are asked to stop or die."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from seedbed.errors import SeedbedError, Unavailable

GUARD = Path(__file__).with_name("guard.py")
LAST_LINES = 15
FAILED = "❌"  # what the CDK CLI begins such a line with
_PATIENCE = 10.0  # seconds that a child has to end by itself before it is killed
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class StopSignal(Protocol):
    """What a run is stopped by, see `execution.stopping`."""

    def check(self) -> None: ...

    def mark(self, error: SeedbedError) -> SeedbedError: ...

    def watching(self, session: Any) -> AbstractContextManager[None]: ...


class ChildResult(Struct, frozen=True):
    """How a child ended: its exit code, and what it wrote to both streams, line by line."""

    code: int
    lines: tuple[str, ...]

    @property
    def last_lines(self) -> str:
        """The last lines that say anything; from where something is said to have failed, if that is said."""
        said = [each.strip() for each in self.lines if each.strip()]
        failed = next((number for number, each in enumerate(said) if each.startswith(FAILED)), 0)
        return "\n           ".join(said[failed:][-LAST_LINES:])


class Child:
    """A program at work, in a session of its own: a Ctrl-C at the terminal reaches us alone, and we pass it on."""

    def __init__(self, argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> None:
        guard = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *argv]
        try:
            self._process = subprocess.Popen(
                guard,
                cwd=cwd,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise Unavailable(f"{argv[0]} cannot be started", because=str(error)) from error
        self._asked: float | None = None

    def interrupt(self) -> None:
        """Ask it to end; called again and again, it is killed after a while."""
        self._asked = self._asked or time.monotonic()
        late = time.monotonic() - self._asked > _PATIENCE
        try:
            os.killpg(self._process.pid, signal.SIGKILL if late else signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            return

    def wait(self, on_line: Callable[[str], None]) -> ChildResult:
        """Return once it has ended."""
        assert self._process.stdout is not None
        lines: list[str] = []
        try:
            with self._process.stdout as stream:
                for raw in stream:
                    line = _CONTROL.sub("", raw).rstrip()
                    lines.append(line)
                    on_line(line)
            return ChildResult(self._process.wait(), tuple(lines))
        except BaseException:
            self.interrupt()
            raise
        finally:
            self._reap()

    def _reap(self) -> None:
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    on_line: Callable[[str], None],
    stop: StopSignal,
) -> ChildResult:
    """Run `argv` to its end. Raises Interrupted if a stop was asked for meanwhile, Unavailable if it cannot start."""
    stop.check()
    child = Child(argv, cwd=cwd, environ=environ)
    with stop.watching(child):
        result = child.wait(on_line)
    stop.check()
    return result
