"""Runners of the contract suite are forked: a new interpreter for each would take most of the suite's time."""

from __future__ import annotations

from seedbed.testing import bench
from tests.support.forked import Forked

bench.popen = Forked
