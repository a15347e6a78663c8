"""What changes a target outside of migrations and seeds: reset, repair, unlock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from msgspec.structs import replace

from seedbed.engines.base import Lease
from seedbed.engines.capabilities import SupportsReset, SupportsUnlock
from seedbed.errors import Hint, HistoryConflict, Location, Refused, SeedbedError, UsageError, call
from seedbed.execution.connecting import ConnectedTarget, on_each, require_bound
from seedbed.execution.context import RunContext
from seedbed.model.environment import require_ephemeral
from seedbed.model.event import Repaired, TargetDone, TargetEmptied
from seedbed.model.history import Revision, RevisionState
from seedbed.model.migration import Direction, Migration, digests
from seedbed.planning.edits import begins_with_what_ran, started_and_edited


class Decision(StrEnum):
    """What a person decided about a revision."""

    APPLIED = "applied"
    NOT_APPLIED = "not-applied"
    CHECKSUM = "checksum"
    FORGET = "forget"


def reset(connected: Sequence[ConnectedTarget], context: RunContext) -> None:
    """Empty every target. Raises Refused outside ephemeral environments, ForeignTarget: then nothing is touched."""
    for target in connected:
        require_ephemeral(target.target.environment, "reset")
    require_bound(connected, "reset")

    def one(target: ConnectedTarget) -> None:
        with context.lease(target.id, target.session) as lease:
            if not isinstance(lease, SupportsReset):
                raise Refused(f"the engine of {target.id} cannot be emptied", because="it offers no reset")
            context.emit(TargetEmptied(target.id, lease.reset()))
        context.emit(TargetDone(target.id))

    on_each(connected, one, context)


def unlock(target: ConnectedTarget, context: RunContext) -> None:
    """End the run that holds the lease of a target, by force, audited. Raises Refused where the engine cannot."""
    if not isinstance(target.session, SupportsUnlock):
        raise Refused(
            f"the lease of {target.id} cannot be ended by force", because="its engine does not offer it"
        )
    with context.stop.watching(target.session):
        ended = target.session.unlock(actor=context.owner.who)
    if ended:
        context.emit(Repaired(target.id, "", f"ended {ended}"))
    context.emit(TargetDone(target.id))


def repair(
    target: ConnectedTarget,
    version: str,
    decision: Decision,
    migration: Callable[[str], Migration | None],
    context: RunContext,
    because: str,
) -> None:
    """Write a person's decision about one version into the history of one target, audited; an error is emitted."""
    try:
        with context.stop.watching(target.session), context.lease(target.id, target.session) as lease:
            revision = lease.history().revision(version)
            if revision is None:
                raise UsageError(
                    f"{target.id} has no record of {version}",
                    because="repair changes records, and there is none",
                    try_=Hint(call("status"), " shows what is recorded"),
                )
            words = _decide(
                target.id, lease, revision, decision, migration(version), context.owner.who, because
            )
            context.emit(Repaired(target.id, version, words))
        context.emit(TargetDone(target.id))
    except SeedbedError as error:
        context.fail(target.id, error)


def _decide(
    target: str,
    lease: Lease,
    revision: Revision,
    decision: Decision,
    migration: Migration | None,
    actor: str,
    because: str,
) -> str:
    if decision is Decision.FORGET:
        lease.forget(revision.version, actor=actor, because=because)
        return "the record was removed"
    if migration is None:
        raise UsageError(
            f"there is no file for {revision.label}",
            because="the decision needs to know its steps",
            try_=Hint(
                "bring the file back, or forget the record: ", call("repair", revision.version, "--forget")
            ),
        )
    if decision is Decision.CHECKSUM:
        _require_what_ran(target, revision, migration)
        lease.record(replace(revision, checksum=migration.checksum), actor=actor, because=because)
        return "the file as it is now was accepted"
    return _settle(lease, revision, migration, decision, actor, because)


def _require_what_ran(target: str, revision: Revision, migration: Migration) -> None:
    """Raise HistoryConflict unless it is known which steps of `migration`, as it is now, are done."""
    if revision.state is RevisionState.APPLIED:
        return
    fits = begins_with_what_ran(revision, migration)
    if revision.in_step or not fits:
        raise started_and_edited(target, revision, migration.path, fits=fits)


def _settle(
    lease: Lease, revision: Revision, migration: Migration, decision: Decision, actor: str, because: str
) -> str:
    """Decide about the step in hand; the next run goes on after it, or with it."""
    if revision.state is not RevisionState.STARTED or not revision.in_step:
        raise UsageError(
            f"no outcome of {revision.label} is unknown",
            because=f"it is {revision.state.value}, with {revision.step} steps done and no step running",
            try_=Hint(call("status"), " shows its state"),
        )
    number = revision.step + 1
    if decision is Decision.NOT_APPLIED:
        lease.record(replace(revision, in_step=False), actor=actor, because=because)
        return f"step {number} did not take effect: the next run repeats it"
    if migration.checksum != revision.checksum:
        raise HistoryConflict(
            f"step {number} of {revision.label} was begun as its file was then",
            because="the file was edited since, so what took effect is no longer what stands in it",
            try_="bring the file back as it was, decide, and edit it then; or decide --not-applied",
            at=Location(migration.path),
        )
    steps = migration.steps(revision.direction)
    total, ran = len(steps), digests(steps)[number]
    settled = replace(revision, step=number, in_step=False, ran=ran)
    if number < total:
        lease.record(settled, actor=actor, because=because)
        return f"step {number} of {total} took effect: the next run goes on after it"
    if revision.direction is Direction.DOWN:
        lease.forget(revision.version, actor=actor, because=because)
        return f"step {number} of {total} took effect: it is reverted"
    lease.record(replace(settled, state=RevisionState.APPLIED, ran=""), actor=actor, because=because)
    return f"step {number} of {total} took effect: it is applied"
