"""Running things side by side, a thread each; what they raise comes back as a value."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from seedbed.errors import SeedbedError, of_target, raise_errors

T = TypeVar("T")
_LOOK = 0.1  # seconds between two looks whether to wait on


def side_by_side(
    calls: Sequence[Callable[[], T]], *, meanwhile: Callable[[], None] | None = None
) -> list[T | BaseException]:
    """Return what each call returned or raised, in order; the last call runs in the calling thread.

    Threads are not pooled: calls may wait for each other. `meanwhile` is called now and then while they are waited for,
    and may raise to wait no longer: then all calls run in threads of their own.
    """
    results: list[T | BaseException] = [RuntimeError("never ran")] * len(calls)

    def run(position: int) -> None:
        try:
            results[position] = calls[position]()
        except BaseException as error:  # noqa: BLE001  handed to the caller, who decides
            results[position] = error

    apart = len(calls) if meanwhile else len(calls) - 1
    threads = [threading.Thread(target=run, args=(position,), daemon=True) for position in range(apart)]
    for thread in threads:
        thread.start()
    if calls and not meanwhile:
        run(len(calls) - 1)
    for thread in threads:
        while meanwhile and thread.is_alive():
            thread.join(_LOOK)
            meanwhile()
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
