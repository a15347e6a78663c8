"""Where a place in a step stands in its file."""

from __future__ import annotations

from seedbed.model.migration import Step


def line_of(step: Step, offset: int) -> int:
    """Return the file's line in which character `offset` of the step's body stands."""
    at = max(offset, 0)
    begin, line = max((each for each in step.lines if each[0] <= at), default=(0, step.line))
    return line + step.body.count("\n", begin, at)
