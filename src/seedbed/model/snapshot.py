"""A snapshot of a database, taken before what cannot be undone; and a copy that was restored from one.

Pure: times are seconds of the epoch, by the clock of whoever keeps the snapshot; 0 where that does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct, field

from seedbed.model.release import DRILL, SNAPSHOT, Evidence
from seedbed.support.phrases import duration, listed, moment, size

_DRILL = "-drill"
SnapshotState = Literal["making", "available", "partial", "gone"]


class Snapshot(Struct, frozen=True, kw_only=True):
    """A snapshot as whoever keeps it describes it now; only an available one can be restored.

    `id`: its name, the same in every part. `number`: which of its release's. `parts`: what it consists of, by what
    that was taken of: a backup of each table. `because`: why it is partial. `size` in bytes, 0 where it is not known.
    `filled`: the tables that had rows then; None where whoever keeps it does not say.
    """

    id: str
    database: str
    release: int
    state: SnapshotState
    number: int = 1
    taken: float = 0.0
    size: int = 0
    percent: int = 0
    because: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    filled: Collection[str] | None = None

    def evidence(self, at: float) -> Evidence:
        """Return what shows that it can be restored, or that it cannot: as it was described `at`."""
        said = f"{self.database}: {self.id} {self._said()}"
        verdict: Literal["good", "bad"] = "good" if self.state == "available" else "bad"
        return Evidence(SNAPSHOT, verdict, said, at, about=self.database, since=self.taken)

    def _said(self) -> str:
        match self.state:
            case "available":
                sized = f", {size(self.size)}" if self.size else ""
                return f"is available, taken {moment(datetime.fromtimestamp(self.taken, UTC))}{sized}"
            case "making":
                return "is still being made" + (f", {self.percent} %" if self.percent else "")
            case "partial":
                return f"is partial: {self.because}"
        return "is gone" if self.taken else "does not exist"


class Kept(Struct, frozen=True):
    """For how long snapshots are kept, as of `at`; 0 `seconds`: for ever.

    `opened`: releases whose snapshots stay, None where that cannot be asked.
    """

    seconds: float
    at: float
    opened: Collection[int] | None = ()

    @property
    def before(self) -> float:
        """A snapshot that was taken before then is kept no more."""
        return self.at - self.seconds if self.seconds else 0.0

    def until(self, snapshot: Snapshot) -> float:
        """Return until when it is kept; 0 where that is for ever, or its age is not known."""
        return snapshot.taken + self.seconds if self.seconds and snapshot.taken else 0.0

    def is_over(self, snapshot: Snapshot) -> bool | None:
        """Return whether it is kept no more; None where that is not known."""
        if not 0 < snapshot.taken < self.before:
            return False
        return None if self.opened is None else snapshot.release not in self.opened


class Copy(Struct, frozen=True, kw_only=True):
    """What was restored from a snapshot, beside the database. `name`: "r12", or what else tells it from others.

    `place`: where it is, in the engine's words. `settings`: those connection settings that differ from the database's.
    `doing`: what is waited for, while it is being made.
    """

    database: str
    name: str
    state: Literal["making", "available"]
    place: str
    settings: Mapping[str, str] = field(default_factory=dict)
    doing: str = ""


class Restored(Struct, frozen=True, kw_only=True):
    """How it ended that a snapshot was restored beside. `lost`: what a copy lacks that the database has."""

    snapshot: Snapshot
    copy: Copy
    seconds: float
    lost: tuple[str, ...] = ()


class Check(Struct, frozen=True):
    """One thing that a drill looked at, and what it found."""

    name: str
    is_good: bool
    text: str


class Drill(Struct, frozen=True, kw_only=True):
    """How a snapshot was restored, checked and cleaned up, and how long each took, in seconds."""

    snapshot: Snapshot
    place: str
    restoring: float
    checking: float
    cleaning: float
    checks: tuple[Check, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return all(each.is_good for each in self.checks)

    def evidence(self, at: float) -> Evidence:
        """Return what the drill shows of its snapshot."""
        bad = [each.text for each in self.checks if not each.is_good]
        took = f"restored in {duration(self.restoring)}"
        said = listed(bad, separator="; ") if bad else f"{took}, {sum(self.rows.values())} rows"
        return Evidence(
            DRILL,
            "bad" if bad else "good",
            f"{self.snapshot.database}: {said}",
            at,
            about=self.snapshot.database,
        )


class Swap(Struct, frozen=True, kw_only=True):
    """How a copy takes the place of its database, or gives it back (`is_back`).

    `lost`: what is lost by it, each in one line. `checks`: what was looked at before; none where it goes on. `kept`:
    where what had the place is after it. `seconds`: how long it took; 0 where nothing was done. `connected`: who else
    was.
    """

    database: str
    name: str
    is_back: bool
    kept: str
    lost: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    connected: tuple[str, ...] = ()
    snapshot: Snapshot | None = None
    seconds: float = 0.0
    goes_on: bool = False
    is_over: bool = False


def unknown(database: str, because: str, at: float) -> Evidence:
    """Return the evidence of a database of which seedbed takes no snapshots."""
    return Evidence(SNAPSHOT, "unknown", f"{database}: {because}", at, about=database)


def snapshot_id(platform: str, environment: str, service: str, release: int, number: int = 1) -> str:
    """Return the name of a snapshot: `seedbed-edtech-prod-user-r12`, of a further one of that release `…-r12-2`.

    RDS allows no underscore in it.
    """
    name = f"{_before(platform, environment, service)}{release}"
    return f"{name}-{number}" if number > 1 else name


def drill_name(release: int) -> str:
    """Return the name of the copy that a drill makes, and takes away again."""
    return f"r{release}{_DRILL}"


def is_drill(name: str) -> bool:
    """Return whether the copy of that name is made by a drill, to be looked at."""
    return name.endswith(_DRILL)


def known_id(platform: str, environment: str, service: str, name: str) -> tuple[int, int] | None:
    """Return the release and the number of the snapshot with that name; None for what is not a snapshot of ours."""
    found = re.fullmatch(rf"{re.escape(_before(platform, environment, service))}(\d+)(?:-(\d+))?", name)
    return (int(found[1]), int(found[2] or 1)) if found else None


def _before(platform: str, environment: str, service: str) -> str:
    return f"seedbed-{platform}-{environment}-{service}-r".replace("_", "-")
