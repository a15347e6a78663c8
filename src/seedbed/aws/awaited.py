"""Calls that AWS does not answer for long: told once, so that it is known what is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str], None]

PATIENCE = 10.0  # seconds

_lock = threading.Lock()
_listeners: list[Tell] = []
_told: set[str] = set()  # services that were told as silent, and have not answered since


@contextmanager
def subscribed(listener: Tell) -> Iterator[None]:
    """Tell `listener` within this context of each service that is silent, from a thread of its own."""
    with _lock:
        _listeners.append(listener)
        _told.clear()
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)


@contextmanager
def awaited(service: str, operation: str, region: str) -> Iterator[None]:
    """Take note that a call is under way within this context."""
    if not _listeners:
        yield
        return
    timer = threading.Timer(PATIENCE, _tell, (service, operation, region))
    timer.daemon = True
    timer.start()
    try:
        yield
        with _lock:
            _told.discard(service)
    finally:
        timer.cancel()


def _tell(service: str, operation: str, region: str) -> None:
    with _lock:
        listener = _listeners[-1] if _listeners else None
        if listener is None or service in _told:
            return
        _told.add(service)
    listener(f"no answer from AWS yet, to {service}:{operation} in {region} ({PATIENCE:.0f} s)")
