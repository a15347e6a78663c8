"""What a step that failed says to try."""

from __future__ import annotations

from typing import cast

import pytest

from seedbed.engines.base import Lease
from seedbed.errors import StepFailed
from seedbed.execution.recovery import advise
from seedbed.model.history import Revision


class _Lease:
    def history(self) -> _Lease:
        return self

    def revision(self, version: str) -> Revision | None:
        del version
        return None


@pytest.mark.parametrize(
    ("said", "told"), [("", "fix what failed and run the same command again"), ("do this", "do this")]
)
def test_every_failure_comes_with_something_to_try(said: str, told: str) -> None:
    error = StepFailed("it failed", try_=said)
    advise(error, "1", cast("Lease", _Lease()))
    assert str(error.try_) == told
