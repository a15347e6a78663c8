"""A target's data to a file and back, for databases that are small enough and whose engine offers it."""

from __future__ import annotations

from pathlib import Path

from seedbed.engines.capabilities import SupportsDump, SupportsRestore
from seedbed.errors import Location, UsageError
from seedbed.execution.connecting import ConnectedTarget, on_each, require_bound
from seedbed.execution.context import RunContext
from seedbed.model.event import TargetDone


def dump(target: ConnectedTarget, file: Path, context: RunContext) -> None:
    """Write all data of a target to `file`. Raises UsageError where its engine cannot, or the file is there."""
    session = target.session
    if not isinstance(session, SupportsDump):
        raise _not_offered(target, "dump")
    if file.exists():
        raise UsageError(
            f"{file} is there already",
            because="a dump overwrites nothing",
            try_="another name",
            at=Location(str(file)),
        )

    def one(_: ConnectedTarget) -> None:
        for event in session.dump(file):
            context.emit(event)
        context.emit(TargetDone(target.id))

    on_each([target], one, context)


def restore(target: ConnectedTarget, file: Path, context: RunContext) -> None:
    """Fill an empty target from `file`, under its lease. Raises UsageError, ForeignTarget: then nothing is touched."""
    if not file.is_file():
        raise UsageError(f"there is no file {file}", because="it is where the dump should be")
    require_bound([target], "restore")

    def one(_: ConnectedTarget) -> None:
        with context.lease(target.id, target.session) as lease:
            if not isinstance(lease, SupportsRestore):
                raise _not_offered(target, "restore")
            for event in lease.restore(file):
                context.emit(event)
        context.emit(TargetDone(target.id))

    on_each([target], one, context)


def _not_offered(target: ConnectedTarget, verb: str) -> UsageError:
    return UsageError(
        f"{target.id} has no {verb}",
        because=f"{target.database.engine} brings tools of its own for that",
        try_="what the database's own documentation says about backups",
    )
