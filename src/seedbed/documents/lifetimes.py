"""How long an environment stays: what its record says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.model.lifetime import EnvironmentRecord


class RecordEntry(Part, frozen=True):
    """What is written down of the use of an environment."""

    owner: Annotated[str, says("ARN of who used it first; empty where that is not known.")]
    by: Annotated[str, says("ARN of who used it last.")]
    used_by: Annotated[str, says("The command that used it last.")]
    created: Annotated[str, says("When it was used first, in ISO 8601.")]
    used: Annotated[str, says("When it was used last; to ten minutes.")]
    expires: Annotated[str | None, says("When its time is over, unless it is used before; null: never.")]
    keep: Annotated[bool, says("It is never collected.")]
    marked: Annotated[
        str | None, says("Since when it is marked to be collected a day later; null: it is not.")
    ]
    commit: Annotated[str, says("The commit that it was used from last; empty where that is not known.")]
    branch: Annotated[str, says("The branch of that; empty where that is not known.")]

    @classmethod
    def of(cls, record: EnvironmentRecord, ttl: float) -> RecordEntry:
        """`ttl`: as it is declared, in seconds."""
        ends = 0.0 if record.keep else record.ends(ttl)
        return cls(
            record.owner,
            record.by,
            record.command,
            moment(record.created),
            moment(record.used),
            moment(ends) if ends else None,
            record.keep,
            moment(record.marked) if record.marked else None,
            record.commit,
            record.branch,
        )


class LifetimeDocument(Document, frozen=True, kw_only=True, tag="seedbed/lifetime/1"):
    """How long one environment stays."""

    commands: ClassVar = ("env touch", "env extend", "env keep")

    environment: Annotated[str, says("The environment's name.")]
    record: Annotated[RecordEntry, says("What is written down of it now.")]

    @classmethod
    def of(cls, name: str, record: EnvironmentRecord, ttl: float, command: str) -> LifetimeDocument:
        """`ttl`: as it is declared, in seconds."""
        return cls(seedbed=VERSION, command=command, environment=name, record=RecordEntry.of(record, ttl))


def moment(seconds: float) -> str:
    """Return a time of the epoch as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
