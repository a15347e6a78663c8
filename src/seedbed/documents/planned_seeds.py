"""The seeds that a plan shows."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from seedbed.documents.document import Part, says
from seedbed.documents.texts import Redact, mask
from seedbed.model.migration import StepText
from seedbed.model.seed import PlannedSeed, SeedKind


class SeedEntry(Part, frozen=True):
    """A seed that `seed` would load. What it shows of a script or a program is masked like a step's text."""

    kind: Annotated[SeedKind, says("`reference`: what a protected environment accepts.")]
    path: Annotated[str, says("Its file.")]
    table: Annotated[
        str,
        says("What its rows go into: a table, an index, a label; empty for a script, which says it itself."),
    ]
    sha256: Annotated[str, says("SHA-256 of the bytes of its file.")]
    rows: Annotated[
        int | None,
        says("How many rows it has; null for a script and for a program, which is not run to be counted."),
    ]
    statements: Annotated[
        tuple[str, ...],
        says("What a script sends: each statement whole, on one line, without comments; else nothing."),
    ]
    text: Annotated[str, says("The text of a script or a program, whole; empty for a file of rows.")]
    comment: Annotated[str, says("What begins a comment in `text`.")]

    @classmethod
    def of(cls, seed: PlannedSeed, redact: Redact) -> SeedEntry:
        text = mask(seed.text, redact) if seed.text else StepText("", ())
        return cls(
            seed.kind,
            seed.path,
            seed.table,
            seed.sha256,
            seed.rows,
            text.statements,
            text.text,
            text.comment,
        )

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def is_program(self) -> bool:
        return self.path.endswith(".py")
