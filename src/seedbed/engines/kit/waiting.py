"""A wait for the lease while another run has it: how often to look, what to say meanwhile, when to give up."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from seedbed.engines.kit.clock import now
from seedbed.errors import Busy, Hint, call
from seedbed.model.event import LeaseAwaited, Listener
from seedbed.support.backoff import backoff

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # seconds between two looks
_EMIT_EVERY = 1.0  # seconds


class Waiting:
    """One wait for the lease of `target`, `wait` seconds long at most; it begins when it is made."""

    def __init__(
        self, target: str, wait: float, listener: Listener, clock: Callable[[], float] = now
    ) -> None:
        self._target = target
        self._wait = wait
        self._listener = listener
        self._clock = clock
        self._began = clock()
        self._emitted: float | None = None  # how long had been waited when that was said last
        self._looks = 0
        self._rng = Random()

    def pause(self, holder: str) -> float:
        """Return how many seconds to let pass before the next look, `holder` having the lease now.

        Emits LeaseAwaited at once and each second after. Raises Busy where the time is up.
        """
        waited = self._clock() - self._began
        if waited >= self._wait:
            raise Busy(
                f"another run holds the lease of {self._target}",
                because=f"{holder} did not finish within {waited:.0f} s",
                try_=Hint(
                    "wait longer with --wait, or check what it does; to end it by force: ",
                    call("repair", "--unlock", about=self._target),
                ),
            )
        if self._emitted is None or waited - self._emitted >= _EMIT_EVERY:
            self._listener(LeaseAwaited(self._target, holder, waited))
            self._emitted = waited
        self._looks += 1
        pause = backoff(min(self._looks, 6), base=_FIRST_PAUSE, cap=_LONGEST_PAUSE, rng=self._rng)
        return min(_FIRST_PAUSE / 2 + pause, self._wait - waited)
