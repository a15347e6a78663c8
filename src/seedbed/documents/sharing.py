"""What environments have on the servers of a base, and what was done for it there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.errors import ExitCode, exit_code
from seedbed.model.sharing import ShareOutcome


class ShareEntry(Part, frozen=True):
    """What one environment has for one of its databases."""

    environment: Annotated[str, says("The environment's name.")]
    database: Annotated[str, says("The id of the database.")]
    what: Annotated[str, says("What was done; empty where there was nothing to do, and in a list.")]
    error: Annotated[ErrorEntry | None, says("Why it was not done; null where it was.")]

    @classmethod
    def of(cls, outcome: ShareOutcome) -> ShareEntry:
        share = outcome.share
        error = ErrorEntry.of(outcome.error, share.environment) if outcome.error else None
        return cls(share.environment, share.database, outcome.what, error)


class SharesDocument(Document, frozen=True, kw_only=True, tag="seedbed/shares/1"):
    """What environments have on the servers of a base."""

    commands: ClassVar = ("share make", "share keep", "share list", "share drop")

    base: Annotated[str, says("The base.")]
    exit_code: Annotated[ExitCode, says("The exit code of the process.")]
    changed: Annotated[bool, says("Something was made, kept or dropped.")]
    shares: Annotated[tuple[ShareEntry, ...], says("By environment, then by database.")]

    @classmethod
    def of(cls, base: str, outcomes: Sequence[ShareOutcome], command: str) -> SharesDocument:
        changed = any(each.what for each in outcomes)
        return cls(
            seedbed=VERSION,
            command=command,
            base=base,
            exit_code=exit_code([each.error for each in outcomes if each.error], changed=changed),
            changed=changed,
            shares=tuple(ShareEntry.of(each) for each in sorted(outcomes, key=lambda each: each.share)),
        )
