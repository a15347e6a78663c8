"""What became of suspects -> the result of a reference."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from seedbed.integrity.children import Children
from seedbed.integrity.suspects import Suspects
from seedbed.model.platform import Reference
from seedbed.model.verification import Holders, Orphan, ReferenceResult, Verdict

SAMPLES = 20  # orphans that are shown


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
    rows = {each.id: Holders(len(each.rows) + each.more, each.rows) for each in suspects.all()}
    orphans = rows if suspects.is_systemic else held
    found = ReferenceResult(
        reference,
        Verdict.OK,
        children.count,
        children.empty,
        parents,
        delayed=delayed,
        vanished=len(rows) - delayed - len(orphans),
        orphans=len(orphans),
        is_systemic=suspects.is_systemic,
        samples=[Orphan(each, orphans[each]) for each in sorted(orphans)[:SAMPLES]],
    )
    return replace(found, verdict=_verdict(found))


def _verdict(found: ReferenceResult) -> Verdict:
    wrong = found.orphans + (0 if found.reference.optional else found.empty)
    if not wrong:
        return Verdict.OK
    most = found.reference.tolerated * (found.ids + found.empty)
    return Verdict.BROKEN if found.is_systemic or wrong > most else Verdict.TOLERATED
