"""What became of references, as a page."""

from __future__ import annotations

from seedbed.documents.verification import OrphanEntry, ReferenceEntry, VerificationDocument
from seedbed.model.verification import Verdict
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.support.phrases import count, number

_SIGNS = {
    Verdict.OK: ("✓", Style.GOOD),
    Verdict.TOLERATED: ("○", Style.WARN),
    Verdict.BROKEN: ("✗", Style.BAD),
    Verdict.UNVERIFIED: ("?", Style.BAD),
}
_SHOWN = 5  # orphans of a reference; --json has more


def verification_text(found: VerificationDocument) -> Lines:
    """Return every reference, and of those that are not ok what was found."""
    rows: list[Row | Line] = []
    for each in found.references:
        rows.append(_reference(each))
        rows += _findings(each)
    return [Table(tuple(rows), flex=3), line(), _sum(found)]


def _reference(each: ReferenceEntry) -> Row:
    sign, style = _SIGNS[each.verdict]
    return row((sign, style), each.from_, ("→ " + each.to, Style.DIM), (_counts(each), style))


def _counts(each: ReferenceEntry) -> str:
    if each.error:
        return "not verified"
    parts = [count(each.ids, "id")]
    parts += [f"{number(each.empty)} empty"] * bool(each.empty)
    parts += [f"{number(each.delayed)} delayed"] * bool(each.delayed)
    parts += [f"{number(each.vanished)} vanished"] * bool(each.vanished)
    more = "more than " if each.is_systemic else ""
    parts += [more + count(each.orphans - each.is_systemic, "orphan")] * bool(each.orphans)
    return ", ".join(parts)


def _findings(each: ReferenceEntry) -> list[Line]:
    if each.error:
        return [line(("  " + str(each.error), Style.BAD))]
    lines = [line("  " + _orphan(orphan)) for orphan in each.samples[:_SHOWN]]
    if each.orphans > _SHOWN:
        lines.append(line((f"  and {number(each.orphans - _SHOWN)} further ids", Style.DIM)))
    return lines


def _orphan(orphan: OrphanEntry) -> str:
    since = f", the oldest of {orphan.since:%Y-%m-%d %H:%M}" if orphan.since else ""
    rows = f": {', '.join(orphan.rows)}" if orphan.rows else ""
    return f"{orphan.id} in {count(orphan.count, 'row')}{rows}{since}"


def _sum(found: VerificationDocument) -> Line:
    totals = {each: sum(one.verdict is each for one in found.references) for each in Verdict}
    said = ", ".join(f"{number(many)} {each}" for each, many in totals.items() if many)
    every = count(len(found.references), "reference")
    return line((f"{found.environment}: {every}: {said}", Style.GOOD if found.passed else Style.BOLD))
