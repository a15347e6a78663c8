"""What became of references and expectations: as a page, and as annotations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.documents.errors import ErrorEntry
from seedbed.documents.verification import VerificationDocument
from seedbed.model.verification import Verdict
from seedbed.report.github import Annotation
from seedbed.report.styles import Line, Lines, Row, Style, Table, harmless, line, row
from seedbed.report.text.findings import (
    Found,
    findings_of_expectations,
    findings_of_references,
    sum_words,
)
from seedbed.report.text.ownership import findings_of_ownership

SIGNS = {
    Verdict.OK: ("✓", Style.GOOD),
    Verdict.TOLERATED: ("○", Style.WARN),
    Verdict.BROKEN: ("✗", Style.BAD),
    Verdict.UNVERIFIED: ("?", Style.BAD),
}


def verification_text(found: VerificationDocument) -> Lines:
    """Return every reference and expectation, and of those that are not ok what was found."""
    references, expectations = findings_of_references(found), findings_of_expectations(found)
    sections = ((references, "→ "), (expectations, ""), (findings_of_ownership(found), ""))
    tables = [_table(each, arrow) for each, arrow in sections if each]
    words = f"{found.environment}: {sum_words(found)}"
    unkept = [line((unkept_words(each), Style.WARN)) for each in found.unkept]
    return [*tables, line(), line((words, Style.GOOD if found.passed else Style.BOLD)), *unkept]


def unkept_words(error: ErrorEntry) -> str:
    """Return in which database the result is not kept, and why."""
    return f"not kept in {error.target}: {error.error}: {error.because}"


def findings_annotated(found: VerificationDocument) -> Iterator[Annotation]:
    """Yield an annotation for each that is broken, unverified, or broken by no more than it may be."""
    findings = (
        *findings_of_references(found),
        *findings_of_expectations(found),
        *(
            each
            for each in findings_of_ownership(found)
            if each.error or each.verdict is not Verdict.UNVERIFIED
        ),
    )
    for each in findings:
        if each.verdict is Verdict.OK:
            continue
        head = f"{each.found}  ({', '.join(each.beside)})"
        lines = [head, *([str(each.error)] if each.error else map("".join, each.details))]
        lines += [f"and {each.more}"] * bool(each.more)
        is_warning = each.verdict is Verdict.TOLERATED
        text = harmless("\n".join(lines))
        yield Annotation(text, each.name, each.at, level="warning" if is_warning else "error")


def _table(findings: Sequence[Found], arrow: str) -> Table:
    rows: list[Row | Line] = []
    for each in findings:
        sign, style = SIGNS[each.verdict]
        beside = arrow + ", ".join(each.beside)
        rows.append(row((sign, style), each.name, (beside, Style.DIM), (each.found, style)))
        if each.error:
            rows.append(line(("  " + str(each.error), Style.BAD)))
        rows += [line("  " + "".join(words)) for words in each.details]
        rows += [line((f"  and {each.more}", Style.DIM))] * bool(each.more)
    return Table(tuple(rows), flex=3)
