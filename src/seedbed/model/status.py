"""What `status` and `doctor` know: every migration of every database, and its state."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from seedbed.errors import SeedbedError
from seedbed.model.remembered import Seen


class MigrationState(StrEnum):
    """The state of one migration on one database; `label` is the form for people."""

    APPLIED = "applied"
    PENDING = "pending"
    STARTED = "started"  # begun and not finished: apply or revert goes on with it
    UNKNOWN = "unknown"  # the step in hand may or may not have taken effect
    EDITED = "edited"  # applied, but the file is another one now
    MISSING = "missing"  # applied, but there is no file
    OUT_OF_ORDER = "out_of_order"  # pending, with a version before one that is applied

    @property
    def label(self) -> str:
        return self.value.replace("_", " ")


class MigrationStatus(Struct, frozen=True):
    """One line of `status`. `phase` is empty where only the file's name is known."""

    version: str
    name: str
    state: MigrationState
    phase: str = ""
    applied_at: datetime | None = None
    duration_ms: int = 0
    detail: str = ""


class DatabaseStatus(Struct, frozen=True):
    """All migrations of one database, in version order; `error` instead, where it did not answer.

    `seen`: when it was looked at, where it was not asked.
    `deployment`: what a deployment would change in it, as text; `logins`: what an apply would change of its logins.
    `holder`: who has its lease, empty if it is free.
    """

    database: str
    address: str
    server: str = ""
    identity: str = ""
    migrations: tuple[MigrationStatus, ...] = ()
    error: SeedbedError | None = None
    deployment: tuple[str, ...] = ()
    holder: str = ""
    seen: Seen | None = None
    logins: tuple[str, ...] = ()

    def count(self, *states: MigrationState) -> int:
        return sum(each.state in states for each in self.migrations)

    @property
    def is_up_to_date(self) -> bool:
        return not (self.error or self.deployment or self.logins) and self.count(
            MigrationState.APPLIED
        ) == len(self.migrations)


class Status(Struct, frozen=True):
    """All databases that were asked about, in id order."""

    environment: str
    databases: tuple[DatabaseStatus, ...]
