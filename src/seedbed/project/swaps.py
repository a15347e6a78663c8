"""A copy takes the place of its database, and gives it back: what is lost is said first, then it is asked for.

How far a swap is, is found by looking, so that one that was killed goes on when it is called again, or goes back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from msgspec.structs import replace

from seedbed.engines.snapshots import Snapshots, SupportsSwap, Swaps
from seedbed.errors import Busy, Hint, Refused, SeedbedError, call, exit_code
from seedbed.execution.context import this_process
from seedbed.execution.stopping import Stop
from seedbed.model.platform import Database
from seedbed.model.snapshot import Copy, Swap
from seedbed.model.target import Target
from seedbed.project.drills import Compared, compared
from seedbed.project.snapshots import ReleaseSnapshots
from seedbed.project.targets import Targets
from seedbed.support.phrases import count, duration, moment


class Swapping:
    """The swap of one database with the copy of a release. `name`: that of the copy."""

    def __init__(
        self,
        snapshots: ReleaseSnapshots,
        targets: Targets,
        service: Snapshots,
        target: Target,
        database: Database,
        release: int,
        stop: Stop,
    ) -> None:
        self._snapshots, self._targets, self._service = snapshots, targets, service
        self._target, self._database, self._release, self._stop = target, database, release, stop
        self.name = f"r{release}"
        self._swaps = _swaps(service, target, self.name)

    def look(self, *, back: bool) -> Swap:
        """Return what a swap would do, with all that is lost by it; nothing is changed.

        Raises Refused where the copy cannot have the place, or where there is nothing to go back from.
        """
        state = self._swaps.state()
        known = Swap(database=self._target.id, name=self.name, is_back=back, kept=self._kept(back))
        if state == ("beside" if back else "swapped"):
            return replace(known, is_over=True)
        return self._backward(known, state) if back else self._forward(known, state)

    def carry_out(self, planned: Swap, *, disconnect: bool) -> Swap:
        """Carry out what `look` returned, and return how it ended.

        Raises Busy where others are connected, and `disconnect` is not said, and where another command swaps as well,
        which goes on; what else fails once something is renamed has the exit code that says so. Raises Interrupted:
        the same call goes on.
        """
        if planned.is_over or self._is_there_by_now(planned):
            self._swaps.open()
            return replace(planned, is_over=True)
        began, changed, closed = time.monotonic(), planned.goes_on, False
        step, owner = (self._swaps.back if planned.is_back else self._swaps.swap), this_process()

        def asked() -> str:
            nonlocal changed
            said = step(owner)
            changed = True
            return said

        try:
            closed = self._swaps.close(back=planned.is_back, disconnect=disconnect)
            self._snapshots.until(asked, lambda said: not said, lambda said: f"{planned.database}: {said}")
            self._swaps.open()
        except SeedbedError as error:
            if closed and not changed:  # what somebody else closed, he may be about to rename
                self._swaps.open()
            if not isinstance(error, Busy):  # what this one changed, the other one takes where it is to be
                error.exit_code = exit_code([error], changed=changed)
            raise
        return replace(planned, seconds=time.monotonic() - began, is_over=True)

    def _is_there_by_now(self, planned: Swap) -> bool:
        """Return whether somebody else has done since what was planned. Raises Busy where he did something else.

        What a killed swap asked for may come about at last: to go back from there loses nothing that was not said.
        """
        goal, start = ("beside", "swapped") if planned.is_back else ("swapped", "beside")
        expected = {"between"} if planned.goes_on else {start}
        state = self._swaps.state()
        if state not in expected | {goal} | ({start} if planned.is_back else set()):
            raise Busy(
                f"another command exchanges {planned.database} with a copy as well",
                because="they are not where they were when it was said what is lost",
                try_="wait until that is over; then look at it again, with --dry-run",
            )
        return state == goal

    def _forward(self, known: Swap, state: str) -> Swap:
        if state == "between":
            said = "what was said before it began: it goes on where it was left"
            return replace(known, lost=(said,), goes_on=True)
        copy = self._copy()
        snapshot = self._snapshots.restored(self._service, self._database, self._release, self.name).snapshot
        beside = Target(
            self._target.database,
            self._target.environment,
            self._target.platform,
            self._service.address(copy),
        )
        found = compared(self._targets, self._service, self._target, beside, snapshot, self._stop)
        taken = datetime.fromtimestamp(snapshot.taken, UTC)
        lost = [
            f"all that was written since {moment(taken)}, {duration(max(0.0, time.time() - snapshot.taken))} ago",
            *_differences(found),
            *self._swaps.lost,
        ]
        return replace(
            known,
            lost=tuple(lost),
            checks=found.checks,
            connected=tuple(self._swaps.connected()),
            snapshot=snapshot,
        )

    def _backward(self, known: Swap, state: str) -> Swap:
        lost = ("all that was written since the copy has the place of the database",)
        if state == "between":
            return replace(known, lost=lost, goes_on=True)
        return replace(known, lost=lost, connected=tuple(self._swaps.connected()))

    def _copy(self) -> Copy:
        for each in self._service.copies():
            if each.name == self.name and each.state == "available":
                return each
        raise Refused(
            f"{self._target.id} has no copy {self.name} that could take its place",
            because="none is restored, or it is still being made",
            try_=Hint(
                "restore it, and look at it: ",
                call("snapshot restore", "--release", str(self._release), about=self._target.id),
            ),
        )

    def _kept(self, back: bool) -> str:
        return f"the copy {self.name}, beside it" if back else self._swaps.kept


@contextmanager
def swapping(
    snapshots: ReleaseSnapshots, targets: Targets, database: Database, release: int, *, stop: Stop
) -> Iterator[Swapping]:
    """Yield the swap of `database` with its copy of a release. Raises Refused where the engine has none."""
    with snapshots.one(database) as (service, target):
        yield Swapping(snapshots, targets, service, target, database, release, stop)


def require_good(planned: Swap) -> None:
    """Raise Refused where a check says that the copy is not what it should be."""
    if bad := [each.text for each in planned.checks if not each.is_good]:
        raise Refused(
            f"the copy {planned.name} cannot have the place of {planned.database}",
            because="; ".join(bad),
            try_="copy back what is missing: docs/how-to/restore-a-snapshot.md",
        )


def _swaps(service: Snapshots, target: Target, name: str) -> Swaps:
    if isinstance(service, SupportsSwap):
        return service.swapping(name)
    raise Refused(
        f"{target.id} cannot be exchanged with a copy",
        because=f"{target.database.engine} says nothing about how that is done",
        try_="copy back what is missing: docs/how-to/restore-a-snapshot.md",
    )


def _differences(found: Compared) -> Iterator[str]:
    """Yield which tables have another number of rows: what differs in rows that both have is not counted."""
    for name in sorted({*found.database, *found.copy}):
        here, there = found.database.get(name), found.copy.get(name)
        if here != there:
            yield f"{name}: {_rows(here)}, and {_rows(there)} in the copy"


def _rows(number: int | None) -> str:
    return "is not there" if number is None else count(number, "row")
