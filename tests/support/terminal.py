"""A real terminal with a command in its foreground: Ctrl-C typed there is a signal that the kernel sends."""

from __future__ import annotations

import fcntl
import os
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

CTRL_C = b"\x03"


class Terminal:
    """`shown`: all that the command wrote to it so far."""

    def __init__(self, words: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._keyboard, screen = os.openpty()
        self._bytes = bytearray()
        self.process = subprocess.Popen(
            words,
            cwd=cwd,
            env=env,
            stdin=screen,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  the terminal is its own now
        )
        os.close(screen)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def shown(self) -> str:
        return self._bytes.decode(errors="replace")

    def press(self, keys: bytes = CTRL_C) -> None:
        os.write(self._keyboard, keys)

    def ended(self, timeout: float = 60.0) -> int:
        """Wait for the end of the command, and return its exit code."""
        code = self.process.wait(timeout)
        self._reading.join(timeout)
        return code

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._reading.join()
        os.close(self._keyboard)

    def _read(self) -> None:
        with suppress(OSError):  # nobody has the other end open
            while data := os.read(self._keyboard, 65_536):
                self._bytes += data


@contextmanager
def terminal(words: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Iterator[Terminal]:
    """Run a command in a terminal of its own, and end it with this context."""
    running = Terminal(words, cwd, env)
    try:
        yield running
    finally:
        running.close()
