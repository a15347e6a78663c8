"""What is found of a reference or an expectation, in words: for a page, for Markdown, for an annotation."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from seedbed.documents.errors import ErrorEntry
from seedbed.documents.expectations import ExpectationEntry
from seedbed.documents.verification import OrphanEntry, ReferenceEntry, VerificationDocument
from seedbed.errors import Location
from seedbed.model.verification import Verdict
from seedbed.support.phrases import count, moment, number, shorten

_LONGEST = 300  # characters of an id, a key or a value; --json has it whole
_SHOWN = 5  # orphans of a reference, rows of an expectation; --json has more


class Value(str):
    """What is not in our words: an id, the key of a row, a name that somebody chose."""

    __slots__ = ()


Words = Sequence[str]  # one after the other; a Value among them is no word of ours


class Found(Struct, frozen=True):
    """What is found of one.

    `beside`: what its name alone does not say, where a reference leads, what an expectation asks. `found`: how many.
    `details`: a line for each of the first; `more`: how many others there are, empty for none.
    """

    verdict: Verdict
    name: str
    beside: Sequence[str]
    found: str
    details: Sequence[Words] = ()
    more: str = ""
    error: ErrorEntry | None = None
    at: Location | None = None


def findings_of_references(found: VerificationDocument) -> list[Found]:
    """Return what is found of each reference."""
    return [
        Found(
            each.verdict,
            each.from_,
            [each.to],
            _counts(each),
            [_orphan(orphan) for orphan in each.samples[:_SHOWN]],
            f"{number(each.orphans - _SHOWN)} further ids" if each.orphans > _SHOWN else "",
            each.error,
            each.at,
        )
        for each in found.references
    ]


def findings_of_expectations(found: VerificationDocument) -> list[Found]:
    """Return what is found of each expectation."""
    return [
        Found(
            each.verdict,
            each.name,
            each.databases,
            _found(each),
            [_cells(sample) for sample in each.samples[:_SHOWN]],
            _many(each, each.rows - _SHOWN, "further row") if each.rows > _SHOWN else "",
            each.error,
            each.at,
        )
        for each in found.expectations
    ]


def sum_words(found: VerificationDocument) -> str:
    """Return how many there are, and how many of each verdict."""
    parts = []
    sections = (
        ("reference", found.references),
        ("expectation", found.expectations),
        ("database", found.ownership),
    )
    for one, entries in sections:
        totals = {each: sum(entry.verdict is each for entry in entries) for each in Verdict}
        said = ", ".join(f"{number(many)} {each}" for each, many in totals.items() if many)
        parts += [f"{count(len(entries), one)}: {said}"] * bool(entries)
    return "; ".join(parts)


def _counts(each: ReferenceEntry) -> str:
    if each.error:
        return "not verified"
    since = f" since {moment(each.since)}" if each.since else ""
    parts = [count(each.ids, "id") + since]
    parts += [f"{number(each.empty)} empty"] * bool(each.empty)
    parts += [f"{number(each.delayed)} delayed"] * bool(each.delayed)
    parts += [f"{number(each.vanished)} vanished"] * bool(each.vanished)
    more = "more than " if each.is_systemic else ""
    parts += [more + count(each.orphans - each.is_systemic, "orphan")] * bool(each.orphans)
    return ", ".join(parts)


def _orphan(orphan: OrphanEntry) -> Words:
    # Blanks at its ends, or an empty text, would not be seen otherwise.
    seen = orphan.id if orphan.id and orphan.id == orphan.id.strip() else f'"{orphan.id}"'
    words = [_cut(seen), f" in {count(orphan.count, 'row')}"]
    for at, row in enumerate(orphan.rows):
        words += [", " if at else ": ", _cut(row)]
    return [*words, f", the oldest of {moment(orphan.since)}"] if orphan.since else words


def _cut(text: str) -> Value:
    return Value(shorten(text, _LONGEST))


def _found(each: ExpectationEntry) -> str:
    if each.error:
        return "not verified"
    if each.numbers:
        return (" = " if each.verdict is Verdict.OK else " and ").join(map(_number, each.numbers))
    return _many(each, each.rows, "row") if each.rows else "no rows"


def _many(each: ExpectationEntry, many: int, what: str) -> str:
    return ("more than " if each.are_more else "") + count(many, what)


def _number(text: str) -> str:
    """Return a number with its thousands set apart."""
    found = Decimal(text)
    return number(int(found)) if found == found.to_integral_value() else text


def _cells(sample: dict[str, str | None]) -> Words:
    words: list[str] = []
    for name, value in sample.items():
        words += [", "] * bool(words)
        words += [Value(name), ": ", "nothing" if value is None else _cut(value)]
    return words
