"""Runners of the contract suite are forked: a new interpreter for each would take most of the suite's time."""

from __future__ import annotations

import pytest

from tests.support.forked import Forked

pytest.register_assert_rewrite("seedbed.testing")

from seedbed.testing import bench  # noqa: E402

bench.popen = Forked
