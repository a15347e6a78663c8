"""What is known when a step of a release is to be taken: its gates and its consents are judged by that alone."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from seedbed.model.release import Approval, Evidence, Identity, Opening, Release
from seedbed.model.release_rules import ReleaseRules


class Facts(Struct, frozen=True, kw_only=True):
    """What is known when a step is to be taken; `now`, and all times, by the clock of the store.

    `rules`: those that are in force for the release. `looser`: in words, where its own ask for less than those of the
    release before it. `openings`: who opened it, None where that is not asked. `others`: the other releases of the
    environment. `evidence`: what was found out just now, beside what the record keeps. `contracted`: the databases that
    the contract changes. `verify_max_age`: seconds for which a contract takes what `verify` found; 0 for ever.
    """

    now: float
    rules: ReleaseRules
    caller: Identity
    approvals: Sequence[Approval] = ()
    openings: Sequence[Opening] | None = None
    looser: Sequence[str] = ()
    others: Sequence[Release] = ()
    evidence: Sequence[Evidence] = ()
    contracted: Sequence[str] = ()
    verify_max_age: float = 0.0
