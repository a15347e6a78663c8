"""Errors as lines: what happened, because of what, and what to try."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.documents.errors import ErrorEntry
from seedbed.report.styles import Line, Lines, Style, line


def error_text(error: ErrorEntry) -> Lines:
    """Return an error; where it is, in a file or on a target, first."""
    where = str(error.at or error.target)
    return [
        line((f"{where}: " if where else "", Style.BOLD), ("error: ", Style.BAD), error.error, wrap=True),
        *reasons(error, indent=2),
    ]


def reasons(error: ErrorEntry, *, indent: int) -> Iterator[Line]:
    """Yield what stands at its place, why it happened, and what to try."""
    for each in (error.at.text if error.at else "").splitlines():
        yield line(each, indent=indent + 2)
    if error.because:
        yield line(("because: ", Style.DIM), error.because, indent=indent, wrap=True)
    if error.try_:
        yield line(("try:     ", Style.DIM), error.try_, indent=indent)
