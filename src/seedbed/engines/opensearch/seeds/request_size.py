"""The size of a `_bulk` request, found by measuring: no rule of thumb fits every cluster."""

from __future__ import annotations

FIRST = 512 << 10  # bytes
SMALLEST = 64 << 10
LARGEST = 8 << 20  # small domains of AWS take 10 MB in a request
SAMPLES = 3  # requests of one size before it is judged
BETTER = 1.1  # how much faster twice the size has to be, to be worth its memory
LONGEST = 5.0  # seconds; a request that takes longer is large enough, whatever its rate


class RequestSize:
    """Increases the size while throughput grows with it, and reduces it when the cluster rejects requests.

    `fixed`: bytes, instead of measuring.
    """

    def __init__(self, fixed: int = 0) -> None:
        self.size = fixed or FIRST
        self._grows = not fixed
        self._largest = fixed or LARGEST
        self._best = 0.0  # bytes a second at half of this size
        self._rates: list[float] = []

    def took(self, sent: int, seconds: float) -> None:
        """Record that a request of `sent` bytes took `seconds`."""
        if not self._grows or sent < self.size / 2:  # the last request of a load is no sample
            return
        self._rates.append(sent / max(seconds, 1e-6))
        if len(self._rates) < SAMPLES:
            return
        rate = sorted(self._rates)[SAMPLES // 2]
        self._rates.clear()
        if rate < self._best * BETTER:
            self._settle(self.size // 2)
        elif seconds > LONGEST or self.size * 2 > self._largest:
            self._settle(self.size)
        else:
            self._best = rate
            self.size *= 2

    def shed(self) -> None:
        """Record that the cluster rejected (part of) a request: halve the size, and keep it."""
        self._settle(max(self.size // 2, SMALLEST))

    def refused(self, sent: int) -> None:
        """Record that a request of `sent` bytes is larger than the server accepts."""
        self._settle(max(min(self.size, sent) // 2, 1))

    def _settle(self, size: int) -> None:
        self._grows = False
        self._rates.clear()
        self.size = self._largest = size
