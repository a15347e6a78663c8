"""The kills of `tests.soak.kill`: every point that has a name once, and a few random moments."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from seedbed.engines.postgres.embedded import EmbeddedServer
from tests.soak.kill import POINTS, prepared, random_kill


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__)
def test_a_run_killed_at_a_point_with_a_name_ends_as_if_nothing_had_been(
    postgres_server: EmbeddedServer, point: Callable[[EmbeddedServer], list[str]]
) -> None:
    assert point(postgres_server) == []


def test_a_run_killed_at_a_random_moment_ends_as_if_nothing_had_been(postgres_server: EmbeddedServer) -> None:
    rng = Random(6)
    with prepared(postgres_server, 40, rows=4000, people=3000) as (place, wanted):
        for number in range(6):
            killed = random_kill(place, wanted, rng, companion=number % 3 == 2)
            assert killed.problems == (), f"killed at {killed.moment:.3f} s, met {killed.met}"
