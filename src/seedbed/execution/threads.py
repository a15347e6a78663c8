"""Running things side by side, a thread each; what they raise comes back as a value."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from seedbed.errors import SeedbedError, of_target, raise_errors

T = TypeVar("T")


def side_by_side(calls: Sequence[Callable[[], T]]) -> list[T | BaseException]:
    """Return what each call returned or raised, in order; the last call runs in the calling thread.

    Threads are not pooled: calls may wait for each other.
    """
    results: list[T | BaseException] = [RuntimeError("never ran")] * len(calls)

    def run(position: int) -> None:
        try:
            results[position] = calls[position]()
        except BaseException as error:  # noqa: BLE001  handed to the caller, who decides
            results[position] = error

    threads = [
        threading.Thread(target=run, args=(position,), daemon=True) for position in range(len(calls) - 1)
    ]
    for thread in threads:
        thread.start()
    if calls:
        run(len(calls) - 1)
    for thread in threads:
        thread.join()
    return results


def returned(targets: Sequence[str], results: Sequence[T | BaseException]) -> list[T]:
    """Return what `targets` returned, none having failed. Raises the errors of all that did, or a bug as it is."""
    values: list[T] = []
    errors: list[SeedbedError] = []
    for target, result in zip(targets, results, strict=True):
        if isinstance(result, SeedbedError):
            errors += of_target(target, result)
        elif isinstance(result, BaseException):
            raise result
        else:
            values.append(result)
    raise_errors(errors)
    return values
