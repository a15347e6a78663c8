"""The texts that plans show: of steps and of seeds, masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from seedbed.model.migration import Migration, Step, StepText, text_by_line

TextOf: TypeAlias = Callable[[str, Migration, Step], StepText]  # of a step, by the id of its database

Redact: TypeAlias = Callable[[str], str]


def by_line(_database: str, _migration: Migration, step: Step) -> StepText:
    """Return the text of `step`, a statement a line."""
    return text_by_line(step)


def masked(text_of: TextOf, redact: Redact) -> TextOf:
    """Return `text_of` with what must not be shown taken out: a plan file is read by many, and kept.

    What a run compares with the file it has to mask alike.
    """

    def masked_text_of(database: str, migration: Migration, step: Step) -> StepText:
        return mask(text_of(database, migration, step), redact)

    return masked_text_of


def mask(text: StepText, redact: Redact) -> StepText:
    """Return `text` with what must not be shown taken out."""
    return StepText(redact(text.text), tuple(map(redact, text.statements)), text.comment)
