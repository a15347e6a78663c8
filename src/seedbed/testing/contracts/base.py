"""What all contracts share."""

from __future__ import annotations

import pytest

from seedbed.testing.bench import Bench
from seedbed.testing.harness import Harness


class Contract:
    """What all contracts share: a bench on a fresh target. Give a fixture `harness`."""

    @pytest.fixture
    def bench(self, harness: Harness) -> Bench:
        return Bench(harness)
