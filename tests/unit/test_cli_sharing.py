"""What is kept of an environment for others to begin with."""

from __future__ import annotations

import pytest

from seedbed.cli.sharing import is_new
from seedbed.model.outcome import Result, TargetOutcome


@pytest.mark.parametrize(
    ("finished", "versions", "result", "is_kept"),
    [
        (("1", "2"), ("1", "2"), Result.CHANGED, True),
        (("2",), ("1", "2"), Result.CHANGED, False),
        (("1", "2"), ("1", "2"), Result.FAILED, False),
        ((), (), Result.CHANGED, False),  # only seeds: whatever else is there, an application made
    ],
)
def test_only_what_a_run_has_made_whole_is_kept_for_others(
    finished: tuple[str, ...], versions: tuple[str, ...], result: Result, is_kept: bool
) -> None:
    assert is_new(TargetOutcome("user/postgres", result, finished), versions) is is_kept
