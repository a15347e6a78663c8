"""How long an environment stays, as a page."""

from __future__ import annotations

from datetime import datetime

from seedbed.documents.lifetimes import LifetimeDocument, RecordEntry
from seedbed.report.styles import Lines, line
from seedbed.support.phrases import moment


def lifetime_text(document: LifetimeDocument) -> Lines:
    """Return when an environment ends, and who uses it."""
    record = document.record
    page: Lines = [line(f"{document.environment} {stays(record)}")]
    if record.by:
        page.append(
            line(f"last used {moment(datetime.fromisoformat(record.used))} by {_who(record.by)}", indent=2)
        )
    return page


def stays(record: RecordEntry) -> str:
    """Return how long an environment stays, as the end of a sentence."""
    if record.keep:
        return "is kept until: env keep --end"
    if record.expires is None:
        return "stays until it is deleted: it has no ttl"
    return f"stays until {moment(datetime.fromisoformat(record.expires))}, and longer if it is used"


def _who(arn: str) -> str:
    return arn.rpartition("/")[2] or arn
