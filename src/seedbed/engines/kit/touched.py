"""Whether anything that was sent to a target stays there: what "nothing was changed" rests on.

A write counts from before it is sent, and no longer once the server said that nothing of it stays. Whatever comes
between (no answer, an exception nobody thought of) leaves it counted. seedbed's own records do not count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Touched:
    """Counts the writes of one lease that stay, or may. Thread-safe; true as soon as there is one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def sending(self) -> SentWrite:
        """Count a write that is about to be sent."""
        with self._lock:
            self._count += 1
        return SentWrite(self)

    def before(self, before: Callable[[], None] | None) -> tuple[Callable[[], None], Callable[[], None]]:
        """Return what to call right before each sending of a request, after `before`, and what takes the last back."""
        sent: list[SentWrite] = []

        def send() -> None:
            if before:
                before()
            sent.append(self.sending())

        def undo() -> None:
            if sent:
                sent.pop().undone()

        return send, undo

    @contextmanager
    def unless(self, *refusals: type[BaseException]) -> Iterator[SentWrite]:
        """Count the write inside, unless it ends with one of `refusals`: after those nothing of it stays."""
        write = self.sending()
        try:
            yield write
        except refusals:
            write.undone()
            raise

    def take_back(self) -> None:
        """Count one write less; `SentWrite.undone` does."""
        with self._lock:
            self._count -= 1


class SentWrite:
    """A write that was sent, and counts until `undone`."""

    def __init__(self, touched: Touched) -> None:
        self._touched: Touched | None = touched

    def stays(self) -> None:
        """Know that it stays, or may, whatever comes."""
        self._touched = None

    def undone(self) -> None:
        """Know that nothing of it stays."""
        touched, self._touched = self._touched, None
        if touched is not None:
            touched.take_back()
