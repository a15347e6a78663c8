"""Items made in a thread a little ahead of whoever takes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

_HAND = 50  # items handed over at once
_WAITING = 2  # such hands that wait to be taken
_LOOK = 0.1  # seconds between looks whether they are still wanted


def read_ahead(items: Iterable[T], *, together: int = _HAND) -> Generator[T, None, None]:
    """Yield `items`, which are made while whoever takes them does something else; the few that are ahead are in memory.

    `together`: how many are handed over at once. What making them raises is raised after the items before it. Closing
    the iterator ends the thread.
    """
    hands = queue.Queue[tuple[list[T], BaseException | None]](_WAITING)
    is_closed = threading.Event()

    def make() -> None:
        end: BaseException = StopIteration()
        some: list[T] = []
        try:
            for each in items:
                some.append(each)
                if len(some) == together:
                    if not give(some, None):
                        return
                    some = []
        except BaseException as error:  # noqa: BLE001  it is raised again in the thread that takes them
            end = error
        give(some, end)

    def give(some: list[T], end: BaseException | None) -> bool:
        while not is_closed.is_set():
            with suppress(queue.Full):
                hands.put((some, end), timeout=_LOOK)
                return True
        return False

    maker = threading.Thread(target=make, name="read-ahead", daemon=True)
    maker.start()
    try:
        end: BaseException | None = None
        while end is None:
            some, end = hands.get()
            yield from some
        if not isinstance(end, StopIteration):
            raise end
    finally:
        is_closed.set()
        maker.join()
