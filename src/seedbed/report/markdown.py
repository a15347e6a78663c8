"""Results as Markdown: for a comment on a pull request, for the summary of a job.

What is not in our words stands between backticks: there nothing is a link, a mention, HTML or a table's border.
Source: GitHub Flavored Markdown, version 0.29-gfm, 6.3 "Code spans", 4.10 "Tables".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from seedbed.documents.verification import VerificationDocument
from seedbed.model.verification import Verdict
from seedbed.report.styles import Lines, harmless, line
from seedbed.report.text.findings import (
    Found,
    Value,
    Words,
    findings_of_expectations,
    findings_of_references,
    sum_words,
)
from seedbed.report.text.ownership import findings_of_ownership
from seedbed.report.text.verification import SIGNS, unkept_words
from seedbed.support.phrases import shorten

_LONGEST = 300  # characters of a value
_TICKS = re.compile("`+")


def verification_markdown(found: VerificationDocument) -> Lines:
    """Return every reference and expectation in tables, and below them what was found of those that are not ok."""
    references, expectations = findings_of_references(found), findings_of_expectations(found)
    texts = [f"### {code(found.environment)}: {sum_words(found)}"]
    owned = findings_of_ownership(found)
    sections = (
        ("reference", "leads to", references),
        ("expectation", "asks", expectations),
        ("database", "beside", owned),
    )
    for kind, beside, those in sections:
        if those:
            texts += ["", f"| | {kind} | {beside} | found |", "|---|---|---|---|", *map(_row, those)]
    for each in (*references, *expectations, *owned):
        if each.verdict is not Verdict.OK and (details := list(_details(each))):
            texts += ["", f"{SIGNS[each.verdict][0]} {code(each.name)}", "", *details]
    texts += [""] * bool(found.unkept)
    return [line(each) for each in (*texts, *(f"- {code(unkept_words(each))}" for each in found.unkept))]


def code(text: str) -> str:
    """Return `text` as a span of code on one line, whatever it is; long ones are cut."""
    shown = shorten(harmless(text).replace("\n", "\\n"), _LONGEST)
    if not shown.strip():
        return "(empty)" if not shown else f"({len(shown)} blanks)"
    fence = "`" * (max(map(len, _TICKS.findall(shown)), default=0) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def fenced(text: str, language: str = "") -> str:
    """Return `text` as a block of code, whatever it is."""
    fence = "`" * max(3, max(map(len, _TICKS.findall(text)), default=0) + 1)
    return f"{fence}{language}\n{harmless(text)}\n{fence}"


def table_row(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _row(each: Found) -> str:
    return table_row(SIGNS[each.verdict][0], code(each.name), ", ".join(map(code, each.beside)), each.found)


def _details(each: Found) -> Iterator[str]:
    if each.error:
        yield f"- {code(each.error.error)}"
        if each.error.because:
            yield f"- because {code(each.error.because)}"
        if each.error.try_:
            yield f"- try {code(each.error.try_)}"
    yield from (f"- {_words(words)}" for words in each.details)
    if each.more:
        yield f"- and {each.more}"


def _words(words: Words) -> str:
    return "".join(code(each) if isinstance(each, Value) else each for each in words)
