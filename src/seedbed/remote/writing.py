"""Writing what a worker tells, in batches, without the worker ever waiting for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import ClassVar

from seedbed.remote.control import LINES, Control
from seedbed.remote.records import Entry, Run, encoded, progress_only

_SLOWEST = 5.0  # seconds between two tries of a write


class Writer:
    """A thread that writes lines as items of a run, each with a number of its own, none before its predecessor.

    A batch whose write failed is written again as it was, under its number: it may be there already. `limit`: bytes
    that wait in memory before what is only progress is dropped; results never are.
    """

    LONGEST: ClassVar[int] = (
        20_000  # characters of one line's text; escaped they may be six times as many bytes
    )

    def __init__(
        self,
        control: Control,
        run: Run,
        *,
        pause: float,
        log: Callable[[str], None],
        limit: int = 32_000_000,
    ) -> None:
        self._control = control
        self._run = run
        self._pause = pause
        self._log = log
        self._limit = limit
        self._waiting: deque[tuple[str, bool]] = deque()  # a line, and whether it is progress only
        self._bytes = 0
        self._passing = 0  # bytes of what waits and is progress only
        self.dropped = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="seedbed-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Have an entry written soon."""
        line, is_passing = encoded(entry), progress_only(entry)
        with self._lock:
            if self._bytes + len(line) > self._limit:
                if (
                    self._passing > self._limit // 8
                ):  # not for a few bytes: each time, all that waits is looked at
                    self._drop()
                elif is_passing:
                    self.dropped += 1
                    return
            self._waiting.append((line, is_passing))
            self._bytes += len(line)
            self._passing += len(line) if is_passing else 0

    def close(self, seconds: float) -> bool:
        """Write what is left, for `seconds` at most; return whether all is written."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive() and not self._waiting

    def _drop(self) -> None:
        kept = [each for each in self._waiting if not each[1]]
        self.dropped += len(self._waiting) - len(kept)
        self._waiting = deque(kept)
        self._bytes = sum(len(line) for line, _ in kept)
        self._passing = 0

    def _work(self) -> None:
        number = 0
        while True:
            is_last = self._closing.wait(self._pause)
            for lines in self._batches():
                self._write(number, lines)
                number += 1
            if is_last and not self._waiting:
                return

    def _batches(self) -> Iterable[list[str]]:
        """Yield what waits, a batch an item; what is not yielded yet waits on, and may be dropped."""
        while True:
            lines, size = list[str](), 0
            with self._lock:
                while self._waiting:
                    length = len(self._waiting[0][0].encode())
                    if lines and size + length > LINES:
                        break
                    line, is_passing = self._waiting.popleft()
                    self._bytes -= len(line)
                    self._passing -= len(line) if is_passing else 0
                    lines.append(line)
                    size += length
            if not lines:
                return
            yield lines

    def _write(self, number: int, lines: list[str]) -> None:
        pause, told = self._pause, False
        while True:
            try:
                self._control.append(self._run, number, lines)
                return
            except Exception as error:  # noqa: BLE001  the work goes on whatever this is
                if not told:
                    told = True
                    self._log(
                        f"what happens cannot be written down, and waits: {' '.join(str(error).split())}"
                    )
            time.sleep(pause)
            pause = min(_SLOWEST, pause * 1.5)
