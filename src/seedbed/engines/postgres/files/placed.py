"""The statements of a step, each with its line in the file."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.engines.postgres.files.grammar import ParsedStatement, parsed
from seedbed.model.migration import Step


def line_of(step: Step, offset: int) -> int:
    """Return the file's line in which character `offset` of the step's body stands."""
    at = max(offset, 0)
    begin, line = max((each for each in step.lines if each[0] <= at), default=(0, step.line))
    return line + step.body.count("\n", begin, at)


def placed(step: Step) -> Iterator[tuple[ParsedStatement, int]]:
    """Yield the statements of `step`, each with its line. Raises GrammarError for what is no SQL."""
    body = step.body.encode()
    for each in parsed(body):
        yield each, line_of(step, len(body[: each.start].decode()))
