"""Notices while a server is fetched or prepared: to the listener, else a warning of Python's logging."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Emit = Callable[[str], None]

_lock = threading.Lock()
_listeners: list[Emit] = []


@contextmanager
def subscribed(listener: Emit) -> Iterator[None]:
    """Send every line to `listener` meanwhile, from whatever thread."""
    with _lock:
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)


def emit(line: str) -> None:
    """Send one line to the listener that subscribed last."""
    with _lock:
        listener = _listeners[-1] if _listeners else None
    if listener is not None:
        listener(line)
    else:
        import logging  # late: commands that run no server do without it

        logging.getLogger("seedbed.servers").warning("%s", line)
