"""What became of suspects -> the result of a reference."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from seedbed.integrity.children import Children
from seedbed.integrity.suspects import SAMPLES, Suspects
from seedbed.model.platform import Reference
from seedbed.model.verification import Holders, Orphan, ReferenceResult, Verdict


def result(
    reference: Reference,
    children: Children,
    parents: int,
    suspects: Suspects,
    *,
    delayed: int,
    held: Mapping[str, Holders],
) -> ReferenceResult:
    """Return the result of `reference`.

    `delayed`: how many of `suspects` were found after the grace. `held`: of the others those that rows still hold.
    """
    # Where an engine tells no keys of rows, one row is all that is known of.
    rows = {each.id: Holders(max(len(each.rows) + each.more, 1), each.rows) for each in suspects.all()}
    orphans = rows if suspects.is_systemic else held
    found = ReferenceResult(
        reference,
        Verdict.OK,
        children.count,
        children.empty,
        parents,
        delayed=delayed,
        vanished=0 if suspects.is_systemic else len(rows) - delayed - len(orphans),
        orphans=suspects.count if suspects.is_systemic else len(orphans),
        is_systemic=suspects.is_systemic,
        samples=[Orphan(each, orphans[each]) for each in sorted(orphans)[:SAMPLES]],
    )
    return replace(found, verdict=_verdict(found, sum(each.count for each in orphans.values())))


def _verdict(found: ReferenceResult, astray: int) -> Verdict:
    """Return the verdict where `astray` rows lead nowhere: one id may be in many."""
    if found.is_systemic:
        return Verdict.BROKEN
    wrong = astray + (0 if found.reference.optional else found.empty)
    if not wrong:
        return Verdict.OK
    most = found.reference.tolerated * (found.ids + found.empty)
    return Verdict.BROKEN if wrong > most else Verdict.TOLERATED
