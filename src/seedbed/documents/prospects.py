"""What carrying out a plan will cost, would remove, and waits for."""

from __future__ import annotations

from typing import Annotated

from seedbed.documents.document import Part, says
from seedbed.errors import hint_text
from seedbed.model.deployment import Estimate
from seedbed.model.plan import Certainty, Loss, Unverified


class QuantityEntry(Part, frozen=True):
    """A number of an estimate."""

    name: Annotated[str, says("`items`, `read_units`, `write_units`, `seconds`, `dollars`.")]
    value: Annotated[float, says("How many.")]


class EstimateEntry(Part, frozen=True):
    """What a migration will cost."""

    version: Annotated[str, says("The migration.")]
    quantities: Annotated[tuple[QuantityEntry, ...], says("For machines.")]
    lines: Annotated[tuple[str, ...], says("For people.")]

    @classmethod
    def of(cls, estimate: Estimate) -> EstimateEntry:
        quantities = tuple(QuantityEntry(name, float(value)) for name, value in estimate.quantities.items())
        return cls(estimate.version, quantities, estimate.lines)


class LossEntry(Part, frozen=True):
    """Data that a revert would remove."""

    version: Annotated[str, says("The migration.")]
    what: Annotated[str, says("What it is in: a table, a column, an index.")]
    rows: Annotated[int | None, says("How many of them; null where that is unknown.")]
    certainty: Annotated[
        Certainty,
        says("How sure that number is: empty where it is exact, else `about`, `at most`, `at least`."),
    ]
    unit: Annotated[
        str,
        says(
            "What is counted: `row`, `item`, `document`, `entity` (a node or a relationship), `relationship` (of the"
            " nodes that go)."
        ),
    ]

    @classmethod
    def of(cls, loss: Loss) -> LossEntry:
        return cls(loss.version, loss.what, loss.rows, loss.certainty, loss.unit)

    def __str__(self) -> str:
        return str(Loss(self.version, self.what, self.rows, self.certainty, self.unit))


class UnverifiedEntry(Part, frozen=True):
    """What a contract of a protected environment still waits for."""

    version: Annotated[str, says("The migration.")]
    what: Annotated[str, says("What is missing.")]
    try_: Annotated[str, says("The commands that bring it.")]

    @classmethod
    def of(cls, unverified: Unverified, environment: str) -> UnverifiedEntry:
        return cls(unverified.version, unverified.what, hint_text(unverified.try_, environment, ""))
