"""What the pages of plans and of deployments share: changes, their signs, notes below a row."""

from __future__ import annotations

from seedbed.documents.deployment import ChangeEntry
from seedbed.model.migration import Phase
from seedbed.report.styles import Line, Row, Span, Style, line, row

SIGNS = {
    Phase.EXPAND: ("+", Style.GOOD),
    Phase.MIGRATE: ("~", Style.CHANGE),
    Phase.CONTRACT: ("-", Style.REMOVE),
}


def note(text: str, style: Style = Style.DIM) -> Line:
    """Return a line below a row of a table."""
    return line((text, style), indent=6)


def change_row(change: ChangeEntry, which: str) -> Row:
    """Return one change as a row of a table with a sign first and the phase last."""
    sign = Span(*SIGNS[change.phase])
    return row(sign, which, change.what, (change.phase.value, SIGNS[change.phase][1]))
