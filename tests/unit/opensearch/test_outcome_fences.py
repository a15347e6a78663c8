"""Where the fence stands tells what became of the request that was to take it down."""

from __future__ import annotations

import pytest

from seedbed.engines.opensearch.store.fences import PREFIX, Standing, name
from seedbed.engines.opensearch.store.history import INDEX, is_ours

FENCE = name(17, 3)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([(INDEX, FENCE)], False),  # it stands where it stood
        ([(INDEX, name(17, 4))], True),  # the request put up the next one
        ([("lessons-1", FENCE)], True),  # the request rolled it over
        ([(INDEX, f"{name(18, 0)}_after_17_3")], False),  # a successor moved it before
        ([(INDEX, f"{name(19, 0)}_after_17_3")], False),  # and another one again
        ([(INDEX, f"{name(18, 0)}_after_17_2")], True),  # that was about another request
        ([(INDEX, name(17, 33))], True),
        ([], None),  # somebody took it down by hand
    ],
)
def test_the_verdict(found: list[tuple[str, str]], verdict: bool | None) -> None:
    assert Standing(tuple(found)).verdict(FENCE) is verdict


def test_what_is_ours_is_known_by_its_name() -> None:
    assert all(map(is_ours, [INDEX, PREFIX, FENCE]))
    assert not is_ours("lessons")
