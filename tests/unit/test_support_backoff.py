"""Waiting before the next attempt: between nothing and a bound that doubles up to its cap."""

from __future__ import annotations

from random import Random

import pytest

from seedbed.support.backoff import backoff


def test_a_pause_lies_between_nothing_and_a_bound_that_doubles() -> None:
    rng = Random(1)
    for attempt, bound in ((1, 2.0), (2, 4.0), (3, 5.0), (10_000, 5.0)):
        pauses = [backoff(attempt, base=1.0, cap=5.0, rng=rng) for _ in range(200)]
        assert 0 <= min(pauses) < bound / 10
        assert bound * 0.9 < max(pauses) <= bound


def test_attempts_count_from_one() -> None:
    with pytest.raises(ValueError, match="counts from 1"):
        backoff(0, base=1.0, cap=5.0, rng=Random(1))
