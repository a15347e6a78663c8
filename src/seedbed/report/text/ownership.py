"""What is not one service's alone, in words."""

from __future__ import annotations

from seedbed.documents.ownership import OwnershipEntry, ReaderEntry
from seedbed.documents.verification import VerificationDocument
from seedbed.model.verification import Verdict
from seedbed.report.text.findings import Found, Value, Words
from seedbed.support.phrases import count

_UNKNOWN = "has the same login: what the services' own can read is not known"


def findings_of_ownership(found: VerificationDocument) -> list[Found]:
    """Return what is found of each database that is not known to be its service's alone."""
    return [_finding(each) for each in found.ownership if each.verdict is not Verdict.OK]


def _finding(each: OwnershipEntry) -> Found:
    if each.error:
        return Found(each.verdict, each.database, [], "ownership not verified", error=each.error)
    if each.same:
        return Found(each.verdict, each.database, each.same, "is the same database")
    if each.readers:
        beside = [one.database for one in each.readers]
        return Found(
            each.verdict,
            each.database,
            beside,
            "its login can read this one",
            [_reader(one) for one in each.readers],
        )
    return Found(each.verdict, each.database, each.alike, _UNKNOWN)


def _reader(one: ReaderEntry) -> Words:
    words: list[str] = [Value(one.login), f" can read {count(one.count, 'table')}: "]
    for at, name in enumerate(one.names):
        words += [*[", "] * bool(at), Value(name)]
    return [*words, f" and {one.count - len(one.names)} more"] if one.count > len(one.names) else words
