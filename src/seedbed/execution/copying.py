"""A target's data to a file and back, for databases that are small enough and whose engine offers it."""

from __future__ import annotations

from pathlib import Path

from seedbed.engines.capabilities import SupportsDump, SupportsRestore
from seedbed.errors import Location, UsageError
from seedbed.execution.applying import Leasing
from seedbed.execution.connecting import Connected, on_each, refuse_unstamped
from seedbed.execution.stopping import Stop
from seedbed.model.event import Listener, TargetDone


def dump(each: Connected, file: Path, listener: Listener, stop: Stop) -> None:
    """Write all data of a target to `file`. Raises UsageError where its engine cannot, or the file is there."""
    session = each.session
    if not isinstance(session, SupportsDump):
        raise _not_offered(each, "dump")
    if file.exists():
        raise UsageError(
            f"{file} is there already",
            because="a dump overwrites nothing",
            try_="another name",
            at=Location(str(file)),
        )

    def one(_: Connected) -> None:
        for event in session.dump(file):
            listener(event)
        listener(TargetDone(each.id))

    on_each([each], one, listener, stop)


def restore(each: Connected, file: Path, leasing: Leasing, listener: Listener, stop: Stop) -> None:
    """Fill an empty target from `file`, under its lease. Raises UsageError, ForeignTarget: then nothing is touched."""
    if not file.is_file():
        raise UsageError(f"there is no file {file}", because="it is where the dump should be")
    refuse_unstamped(each.target, each.history, "restore")

    def one(_: Connected) -> None:
        with each.session.lease(leasing.owner, wait=leasing.wait, listener=listener) as lease:
            if not isinstance(lease, SupportsRestore):
                raise _not_offered(each, "restore")
            for event in lease.restore(file):
                listener(event)
        listener(TargetDone(each.id))

    on_each([each], one, listener, stop)


def _not_offered(each: Connected, verb: str) -> UsageError:
    return UsageError(
        f"{each.id} has no {verb}",
        because=f"{each.target.database.engine} brings tools of its own for that",
        try_="what the database's own documentation says about backups",
    )
