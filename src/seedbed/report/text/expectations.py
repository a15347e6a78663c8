"""What became of expectations, as rows of a page."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from seedbed.documents.expectations import ExpectationEntry
from seedbed.model.verification import Verdict
from seedbed.report.styles import Line, Row, Style, line, row
from seedbed.support.phrases import count, number

SIGNS = {
    Verdict.OK: ("✓", Style.GOOD),
    Verdict.TOLERATED: ("○", Style.WARN),
    Verdict.BROKEN: ("✗", Style.BAD),
    Verdict.UNVERIFIED: ("?", Style.BAD),
}
_SHOWN = 5  # rows of an expectation; --json has more


def expectation_rows(entries: Sequence[ExpectationEntry]) -> tuple[Row | Line, ...]:
    """Return every expectation, and of those that are not ok what was found."""
    rows: list[Row | Line] = []
    for each in entries:
        sign, style = SIGNS[each.verdict]
        rows.append(
            row((sign, style), each.name, (", ".join(each.databases), Style.DIM), (_found(each), style))
        )
        if each.error:
            rows.append(line(("  " + str(each.error), Style.BAD)))
        rows += [line("  " + _cells(sample)) for sample in each.samples[:_SHOWN]]
        if each.rows > _SHOWN:
            rows.append(line((f"  and {_many(each, each.rows - _SHOWN, 'further row')}", Style.DIM)))
    return tuple(rows)


def _found(each: ExpectationEntry) -> str:
    if each.error:
        return "not verified"
    if each.numbers:
        return " = ".join(map(_number, each.numbers)) if each.verdict is Verdict.OK else _apart(each.numbers)
    return _many(each, each.rows, "row") if each.rows else "no rows"


def _apart(numbers: Sequence[str]) -> str:
    return " and ".join(map(_number, numbers))


def _many(each: ExpectationEntry, many: int, what: str) -> str:
    return ("more than " if each.are_more else "") + count(many, what)


def _number(text: str) -> str:
    """Return a number with its thousands set apart."""
    found = Decimal(text)
    return number(int(found)) if found == found.to_integral_value() else text


def _cells(sample: dict[str, str | None]) -> str:
    return ", ".join(f"{name}: {'nothing' if value is None else value}" for name, value in sample.items())
