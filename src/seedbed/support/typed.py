"""Types that are read into, made ready before any thread needs them.

msgspec works out what a Struct looks like when it is first read as one, and tells the class so before the work is
done: another thread that reads into the same class meanwhile finds fields without a type, and the process dies of
SIGSEGV. Databases work side by side, so whatever reads into a type inside a function asks `ready` for it.
"""

from __future__ import annotations

from functools import cache
from threading import RLock
from typing import Any, TypeVar

from msgspec import DecodeError
from msgspec.json import Decoder

# What a decoder of msgspec raises for what is not JSON, or not the JSON that is wanted. Its own error is not all.
UNREADABLE = (DecodeError, UnicodeDecodeError, RecursionError)

T = TypeVar("T")

_lock = RLock()


def ready(type_: type[T]) -> type[T]:
    """Return `type_`, of which msgspec knows by now all that it wants to know, every type inside it included.

    Raises TypeError where msgspec cannot read into it.
    """
    looked_at: Any = type_
    _prepare(looked_at)
    return type_


@cache
def _prepare(type_: Any) -> None:
    with _lock:
        Decoder(type_)
