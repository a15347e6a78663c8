"""What a target remembers: who it is, which migrations it has, what was started and not finished."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from msgspec import Struct

from seedbed.model.migration import Direction, Phase

FORMAT = 1  # of the history as stored; a newer one is refused, an older one is upgraded by the engine


class RevisionState(StrEnum):
    APPLIED = "applied"
    STARTED = "started"


class Identity(Struct, frozen=True):
    """Which target this is; bound by the first apply and compared by every command after it."""

    platform: str
    database: str
    environment: str

    def __str__(self) -> str:
        return f"{self.database} of {self.platform} in {self.environment}"


class Revision(Struct, frozen=True, gc=False):  # as of files, there may be ten thousands
    """A migration as a target recorded it.

    `step`: how many steps are finished while `state` is started; `in_step`: whether the next one was begun.
    `ran`: the digest of those finished steps (`migration.digests`), by which an edited file is told to have them still.
    `checkpoint`: where a backfill stands, in the engine's own text. `applied_at` is the server's clock.
    `snapshot`: what a hook that ran before it called the copy it made, "" where there was none.
    """

    version: str
    name: str
    checksum: str
    phase: Phase
    state: RevisionState = RevisionState.APPLIED
    direction: Direction = Direction.UP
    step: int = 0
    in_step: bool = False
    checkpoint: str | None = None
    overtakes: tuple[str, ...] = ()
    owner: str = ""
    applied_at: datetime | None = None
    duration_ms: int = 0
    snapshot: str = ""
    ran: str = ""

    @property
    def label(self) -> str:
        return f"{self.version}_{self.name}"


class History(Struct, frozen=True, dict=True):
    """Everything a target recorded; `revisions` in version order. `identity` is None before the first apply."""

    identity: Identity | None = None
    revisions: tuple[Revision, ...] = ()

    @cached_property
    def applied(self) -> tuple[Revision, ...]:
        return tuple(each for each in self.revisions if each.state is RevisionState.APPLIED)

    @cached_property
    def unfinished(self) -> tuple[Revision, ...]:
        return tuple(each for each in self.revisions if each.state is RevisionState.STARTED)

    def revision(self, version: str) -> Revision | None:
        return self._by_version.get(version)

    @cached_property
    def _by_version(self) -> Mapping[str, Revision]:
        return {each.version: each for each in self.revisions}


class Owner(Struct, frozen=True):
    """Who wants or holds a lease: a random id of this run, and what a person recognises it by."""

    id: str
    who: str  # "ana@laptop pid 4711"
    since: str = ""  # ISO 8601, the holder's start, where the engine knows it

    def __str__(self) -> str:
        return f"{self.who} (since {self.since})" if self.since else self.who
