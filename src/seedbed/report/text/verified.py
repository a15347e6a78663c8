"""Since when references and expectations hold, and when they broke, as a page."""

from __future__ import annotations

from datetime import datetime

from seedbed.documents.verified import ClaimEntry, VerifiedDocument
from seedbed.model.verification import Verdict
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.support.phrases import count, number

_SIGNS = {
    Verdict.OK: ("✓", Style.GOOD),
    Verdict.TOLERATED: ("○", Style.WARN),
    Verdict.BROKEN: ("✗", Style.BAD),
    Verdict.UNVERIFIED: ("?", Style.BAD),
}


def verified_text(found: VerifiedDocument) -> Lines:
    """Return what is known of each reference and expectation, in one line: now, and before it changed."""
    return [Table(tuple(map(_claim, found.claims)), flex=1), *map(_unread, found.unread)]


def _claim(each: ClaimEntry) -> Row:
    if not each.stretches:
        return row(("○", Style.DIM), each.name, ("never verified", Style.DIM))
    (now, *before) = each.stretches
    sign, style = _SIGNS[now.verdict]
    since = f"{now.verdict} since {_moment(now.first)}"
    wrong = f"{number(now.wrong)} wrong" if now.wrong else ""
    was = f"{before[0].verdict} until {_moment(before[0].last)}" if before else ""
    last = f"in {count(now.runs, 'run')}, the last {_moment(now.last)} UTC"
    return row(
        (sign, style), each.name, (", ".join(filter(None, (since, wrong, was))), style), (last, Style.DIM)
    )


def _unread(error: object) -> Line:
    return line((str(error), Style.BAD))


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
