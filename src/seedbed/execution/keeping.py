"""Keeping what `verify` found, in each database that it is about.

A record says what it was taken on: the histories as they were before anything was read. So it needs no lease: where
one of them changes meanwhile, the record no longer fits, and whoever asks it finds that out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Struct

from seedbed.engines.verification import SupportsVerified
from seedbed.errors import Hint, Interrupted, Refused, SeedbedError, UsageError, call
from seedbed.execution.connecting import ConnectedTarget
from seedbed.execution.context import RunContext
from seedbed.execution.threads import side_by_side
from seedbed.model.verification import Verification
from seedbed.model.verified import VerifyRecord, findings, history_digest, superfluous


class Basis(Struct, frozen=True):
    """What a verification is taken on, found out before it begins.

    `run`: a random id. `began`: by the clock of this process. `histories`: by database, a digest of each. `pending`: by
    database, what waits there at the gate `migrate`.
    """

    run: str
    began: float
    histories: Mapping[str, str]
    pending: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, connected: Sequence[ConnectedTarget], pending: Mapping[str, tuple[str, ...]]) -> Basis:
        histories = {each.id: history_digest(each.history) for each in connected}
        return cls(os.urandom(8).hex(), time.monotonic(), histories, pending)


def keep(
    found: Verification, basis: Basis, connected: Sequence[ConnectedTarget], context: RunContext
) -> dict[str, SeedbedError]:
    """Keep `found` in each of `connected` that it is about; return, by id, why it is not kept. Raises Interrupted."""
    context.stop.check()
    about = [each for each in connected if findings(found, each.id)]
    results = side_by_side([partial(_keep, each, found, basis, context) for each in about])
    unkept: dict[str, SeedbedError] = {}
    for target, result in zip(about, results, strict=True):
        if isinstance(result, SeedbedError) and not isinstance(result, Interrupted):
            result.target = target.id
            unkept[target.id] = result
        elif isinstance(result, BaseException):
            raise result
    return unkept


def _keep(target: ConnectedTarget, found: Verification, basis: Basis, context: RunContext) -> None:
    session, identity = target.session, target.history.identity
    if not isinstance(session, SupportsVerified):
        raise UsageError(
            f"{target.database.engine} keeps no results", because="its engine has no place for them"
        )
    if identity is None:
        raise Refused(
            f"{target.id} has no history to keep results in",
            because="nothing was ever applied there",
            try_=Hint(call("apply")),
        )
    with context.stop.watching(session):
        forget = superfluous(session.verified().records)
        record = VerifyRecord(
            basis.run,
            context.owner.who,
            time.monotonic() - basis.began,
            str(identity),
            basis.histories,
            basis.pending[target.id],
            findings(found, target.id),
        )
        session.keep(record, forget)
