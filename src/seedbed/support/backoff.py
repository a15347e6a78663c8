"""How long to wait before trying again."""

from __future__ import annotations

from random import Random


def backoff(attempt: int, *, base: float, cap: float, rng: Random) -> float:
    """Return seconds to wait before retry `attempt` (the first is 1).

    Full jitter: uniform in [0, min(cap, base * 2**attempt)].
    Source: AWS Architecture Blog, "Exponential Backoff and Jitter".
    Raises ValueError if attempt < 1.
    """
    if attempt < 1:
        raise ValueError(f"attempt counts from 1, got {attempt}")
    return rng.uniform(0.0, min(cap, base * 2.0 ** min(attempt, 64)))
