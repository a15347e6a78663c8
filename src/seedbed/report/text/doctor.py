"""What doctor found, as a page."""

from __future__ import annotations

from seedbed.documents.doctor import DoctorDocument
from seedbed.report.styles import Lines, Style, Table, row


def doctor_text(document: DoctorDocument) -> Lines:
    """Return findings about this machine and its targets, one row each."""
    rows = [row((each.what, Style.BOLD), each.finding) for each in document.findings]
    rows += [row((each.target, Style.BOLD), (each.error, Style.BAD)) for each in document.errors]
    return [Table(tuple(rows))]
