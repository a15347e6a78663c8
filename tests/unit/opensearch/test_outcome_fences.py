"""Where the fence stands tells what became of the request that was to take it down."""

from __future__ import annotations

import pytest

from seedbed.engines.opensearch.schema.names import HISTORY, is_reserved
from seedbed.engines.opensearch.store.fences import PREFIX, FencePosition, name

FENCE = name(17, 3)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([(HISTORY, FENCE)], False),  # it stands where it stood
        ([(HISTORY, name(17, 4))], True),  # the request put up the next one
        ([("lessons-1", FENCE)], True),  # the request rolled it over
        ([(HISTORY, f"{name(18, 0)}_after_17_3")], False),  # a successor moved it before
        ([(HISTORY, f"{name(19, 0)}_after_17_3")], False),  # and another one again
        ([(HISTORY, f"{name(18, 0)}_after_17_2")], True),  # that was about another request
        ([(HISTORY, name(17, 33))], True),
        ([], None),  # somebody took it down by hand
    ],
)
def test_the_verdict(found: list[tuple[str, str]], verdict: bool | None) -> None:
    assert FencePosition(tuple(found)).verdict(FENCE) is verdict


def test_what_is_ours_is_known_by_its_name() -> None:
    assert all(map(is_reserved, [HISTORY, PREFIX, FENCE]))
    assert not is_reserved("lessons")
