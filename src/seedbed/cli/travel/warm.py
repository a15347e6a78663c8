"""`seedbed --warm`: a worker inside the network that waits for runs, and carries out each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from seedbed.cli.context import CommandContext
from seedbed.cli.travel.worker import LATER, cloud
from seedbed.errors import SeedbedError
from seedbed.remote import place
from seedbed.remote.warm import WarmWorker
from seedbed.remote.worker import CLAIM, this_task


class Processes:
    """Starts processes that carry out runs, one of them ahead: by then it has imported what takes most of a second."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = [*words, "--run"]
        self._ahead: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Start one ahead, where there is none: while nothing runs, whose processor it would take."""
        if self._ahead is not None and self._ahead.poll() is not None:
            self.close()
        if self._ahead is None:
            with suppress(OSError):  # no memory, or too many processes; a run may still find room
                self._ahead = subprocess.Popen([*self._words, LATER], stdin=subprocess.PIPE)

    def carry_out(self, id_: str, token: str) -> subprocess.Popen[bytes]:
        """Return the process that carries out a run. Raises OSError where there is no room for one."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and _told(ahead, f"{id_} {token}\n"):
            return ahead
        return subprocess.Popen([*self._words, id_], env={**os.environ, CLAIM: token})

    def close(self) -> None:
        """Let the one that has nothing to do end."""
        if self._ahead is not None:
            _told(self._ahead, "")
            self._ahead.wait()
            self._ahead = None


def _told(process: subprocess.Popen[bytes], line: str) -> bool:
    """Write a line to a process, the last one; return False where it takes none."""
    assert process.stdin is not None
    try:
        with process.stdin as pipe:
            pipe.write(line.encode())
    except OSError:
        return False
    return True


def wait(directory: str | None) -> int:
    """Take runs until none came for long, or this process is told to end; return the exit code.

    `directory`: what -C said, and says to each of the processes.
    """
    alone = ["-I"] if sys.flags.isolated else []  # as the task's definition has it
    words = [sys.executable, *alone, "-m", "seedbed", *(["-C", directory] if directory else [])]
    processes = Processes(words)
    try:
        name = this_task(os.environ)
        control = place.of_worker(cloud(name), os.environ)
    except SeedbedError as error:
        return int(CommandContext({}, command="", as_json=False).fail(error))
    warm = WarmWorker(control, name, processes.carry_out, rest=processes.prepare)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: warm.stop())
    sys.stderr.write(f"waiting for runs of {control.environment}\n")
    try:
        warm.work()
    finally:
        processes.close()
    sys.stderr.write("waiting for no more runs\n")
    return 0
