"""What all contracts share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from seedbed.testing.bench import Bench
from seedbed.testing.harness import Harness
from seedbed.wire import retrying

_PAUSE = 0.02  # seconds


class Contract:
    """What all contracts share: a bench on a fresh target. Give a fixture `harness`."""

    @pytest.fixture
    def bench(self, harness: Harness) -> Bench:
        return Bench(harness)


@contextmanager
def hasty() -> Iterator[None]:
    """Let what is tried again wait for next to nothing; how often it is tried stays as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrying, "backoff", lambda *_attempt, **_policy: _PAUSE)
        yield
