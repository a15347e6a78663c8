"""What environments have on the servers of a base, as a page."""

from __future__ import annotations

from seedbed.documents.sharing import ShareEntry, SharesDocument
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.report.text.errors import reasons
from seedbed.support.phrases import count


def shares_text(document: SharesDocument) -> Lines:
    """Return what is there, or what was done, one row each, and how many there are."""
    rows: list[Row | Line] = []
    for each in document.shares:
        sign = ("✗", Style.BAD) if each.error else ("✓", Style.GOOD if each.what else Style.DIM)
        rows.append(row(sign, (each.environment, Style.BOLD), each.database, _said(document, each)))
        if each.error:
            rows.append(line((each.error.error, Style.BAD), indent=4))
            rows += reasons(each.error, indent=4)
    failed = sum(each.error is not None for each in document.shares)
    total = f"{count(len(document.shares), 'database')} on the servers of {document.base}"
    end = line((f"{total}, {failed} failed", Style.BAD)) if failed else line((total, Style.BOLD))
    page: Lines = [Table(tuple(rows)), line()] if rows else []
    return [*page, end]


def _said(document: SharesDocument, share: ShareEntry) -> str:
    if share.error:
        return "failed"
    return share.what or ("" if document.command == "share list" else "nothing to do")
