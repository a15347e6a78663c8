"""What is told while a server is fetched or prepared: to whoever listens, else as a warning of Python's logging."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]

_lock = threading.Lock()
_listeners: list[Say] = []


@contextmanager
def heard(by: Say) -> Iterator[None]:
    """Have every line told to `by` meanwhile, from whatever thread."""
    with _lock:
        _listeners.append(by)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(by)


def say(line: str) -> None:
    """Tell one line."""
    with _lock:
        listener = _listeners[-1] if _listeners else None
    if listener is not None:
        listener(line)
    else:
        import logging  # late: commands that run no server do without it

        logging.getLogger("seedbed.servers").warning("%s", line)
