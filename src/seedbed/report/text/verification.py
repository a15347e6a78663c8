"""What became of references and expectations, as a page."""

from __future__ import annotations

from seedbed.documents.errors import ErrorEntry
from seedbed.documents.verification import OrphanEntry, ReferenceEntry, VerificationDocument
from seedbed.model.verification import Verdict
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.report.text.expectations import SIGNS, expectation_rows
from seedbed.support.phrases import count, number

_SHOWN = 5  # orphans of a reference; --json has more


def verification_text(found: VerificationDocument) -> Lines:
    """Return every reference and expectation, and of those that are not ok what was found."""
    rows: list[Row | Line] = []
    for each in found.references:
        rows.append(_reference(each))
        rows += _findings(each)
    tables = [Table(tuple(rows), flex=3)] * bool(rows)
    tables += [Table(expectation_rows(found.expectations), flex=3)] * bool(found.expectations)
    return [*tables, line(), _sum(found), *map(_unkept, found.unkept)]


def _unkept(error: ErrorEntry) -> Line:
    return line((f"not kept in {error.target}: {error.error}: {error.because}", Style.WARN))


def _reference(each: ReferenceEntry) -> Row:
    sign, style = SIGNS[each.verdict]
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
    parts = []
    for one, entries in (("reference", found.references), ("expectation", found.expectations)):
        totals = {each: sum(entry.verdict is each for entry in entries) for each in Verdict}
        said = ", ".join(f"{number(many)} {each}" for each, many in totals.items() if many)
        parts += [f"{count(len(entries), one)}: {said}"] * bool(entries)
    return line((f"{found.environment}: {'; '.join(parts)}", Style.GOOD if found.passed else Style.BOLD))
