"""The time of a server, as its answers tell it."""

from __future__ import annotations

import pytest

from seedbed.aws.items import _ahead


@pytest.mark.parametrize(
    ("began", "ended", "told", "ahead"),
    [
        (1000.2, 1000.3, 1000, 0.0),
        (999.9, 1030.0, 1000, 0.0),  # an answer that took long says nothing about clocks
        (1001.5, 1001.6, 1000, 0.0),
        (999.0, 999.1, 1000, 0.0),
        (1200.0, 1200.2, 1000, 199.6),
        (800.0, 800.2, 1000, -200.4),
    ],
)
def test_a_clock_is_corrected_where_it_has_to_be_wrong(
    began: float, ended: float, told: float, ahead: float
) -> None:
    assert _ahead(began, ended, told) == pytest.approx(ahead)
