"""What `verify` would read."""

from __future__ import annotations

from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.model.verification import FieldReading, Reading


class FieldReadingEntry(Part, frozen=True):
    """One field."""

    field: Annotated[
        str,
        says(
            "service/engine:table.column, and behind it `[column=value]` where only the ids of those rows are compared."
        ),
    ]
    rows: Annotated[int | None, says("About how many rows are read; null where nothing knows that.")]
    units: Annotated[float, says("About how many read units that takes; 0 where reads are not charged.")]
    index: Annotated[str, says("The index that is read in the table's place; empty where the table is.")]
    looked_for: Annotated[
        bool,
        says(
            "With `--since`, the ids of new rows are looked for there, one by one; all that there is is read where they"
            " are more than 1000."
        ),
    ]
    error: Annotated[ErrorEntry | None, says("Why that is not known; null where it is.")]

    @classmethod
    def of(cls, found: FieldReading, environment: str) -> FieldReadingEntry:
        extent = found.extent
        error = ErrorEntry.of(found.error, environment) if found.error else None
        return cls(str(found.field), extent.rows, extent.units, extent.index, found.is_looked_for, error)


class ReadingDocument(Document, frozen=True, kw_only=True, tag="seedbed/reading/1"):
    """Every field whose ids `verify` would read, each once."""

    commands: ClassVar = ("verify",)

    environment: Annotated[str, says("The environment's name.")]
    units: Annotated[float, says("About how many read units all of it takes.")]
    fields: Annotated[
        tuple[FieldReadingEntry, ...], says("Those that refer, then those that are referred to.")
    ]

    @classmethod
    def of(cls, found: Reading, command: str) -> ReadingDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=found.environment,
            units=found.units,
            fields=tuple(FieldReadingEntry.of(each, found.environment) for each in found.fields),
        )
