"""The kills of `tests.soak.kill`: every point that has a name once, and a random moment alone and in company."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest

from seedbed.engines.postgres.sandbox import EmbeddedServer
from tests.soak.common import Site
from tests.soak.kill import POINTS, Undisturbed, prepared, random_kill


@pytest.fixture(scope="module")
def corpus(postgres_server: EmbeddedServer) -> Iterator[tuple[Site, Undisturbed]]:
    """A project with migrations of every kind, and what they lead to where nobody is killed."""
    with prepared(postgres_server, 40, rows=4000, people=3000) as found:
        yield found


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__)
def test_a_run_killed_at_a_point_with_a_name_ends_as_if_nothing_had_been(
    postgres_server: EmbeddedServer, point: Callable[[EmbeddedServer], list[str]]
) -> None:
    assert point(postgres_server) == []


@pytest.mark.parametrize("companion", [False, True], ids=["alone", "with another run"])
def test_a_run_killed_at_a_random_moment_ends_as_if_nothing_had_been(
    corpus: tuple[Site, Undisturbed], companion: bool
) -> None:
    place, wanted = corpus
    killed = random_kill(place, wanted, Random(5), companion=companion)
    assert killed.problems == (), f"killed at {killed.moment:.3f} s, met {killed.met}"
