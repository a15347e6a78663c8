"""What a step sends: its request, on one line."""

from __future__ import annotations

from seedbed.engines.opensearch.files.requests import request
from seedbed.model.migration import Step, StepText
from seedbed.support.phrases import flat


def step_text(step: Step) -> StepText:
    """Return the text of `step`, which is one request, and the line that it makes: its first, its headers, its body."""
    found = request(step.body, step.line)
    headers = [f"{name}: {value}" for name, value in found.headers.items()]
    body = found.body.decode()
    return StepText(step.body, (flat(" ".join((step.body.split("\n", 1)[0], *headers, body))),))
