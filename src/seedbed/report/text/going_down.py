"""How an environment went, as a page."""

from __future__ import annotations

from seedbed.documents.going_down import DownDocument
from seedbed.model.environment import SANDBOX
from seedbed.report.styles import Line, Lines, Row, Style, Table, line
from seedbed.report.text.errors import error_text
from seedbed.report.text.outcome import target_rows


def down_text(document: DownDocument) -> Lines:
    """Return which servers were stopped, or each stack and whether all is gone."""
    page: Lines
    if document.environment == SANDBOX:
        kept = ", ".join(document.stopped)
        page = [
            line(f"stopped; the data is kept: {kept}" if kept else "no server of the sandbox was running")
        ]
        if document.busy:
            page.append(line(f"still used by another command: {', '.join(document.busy)}"))
        return page
    rows: list[Row | Line] = [one for each in document.stacks for one in target_rows(each, "destroy")]
    page = [Table(tuple(rows)), line()] if rows else []
    for error in document.errors:
        page += error_text(error)
    said = (
        (f"{document.environment} is not gone", Style.BAD)
        if document.exit_code
        else (f"{document.environment} is gone", Style.BOLD)
    )
    return [*page, line(said)]
