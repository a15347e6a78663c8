"""Where every migration of every database stands."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import Meta

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.documents.seen import SeenEntry
from seedbed.model.migration import Phase
from seedbed.model.status import DatabaseStatus, MigrationState, MigrationStatus, Status

_MOMENT = Meta(tz=True)


class MigrationEntry(Part, frozen=True):
    """One migration."""

    version: Annotated[str, says("Its version.")]
    name: Annotated[str, says("Its name.")]
    state: Annotated[
        MigrationState,
        says(
            "`applied`; `pending`; `started`: begun and not finished; `unknown`: a step may or may not have taken"
            " effect; `edited`: applied, and the file is another one now; `missing`: applied, and there is no file;"
            " `out_of_order`: pending, with a version before one that is applied."
        ),
    ]
    phase: Annotated[Phase | None, says("Its phase; null where only the file's name is known.")]
    applied_at: Annotated[
        Annotated[datetime, _MOMENT] | None, says("When it was applied, by the server's clock.")
    ]
    duration_ms: Annotated[int, says("How long it took; 0 where it is not known.")]
    detail: Annotated[str, says("What there is to know besides.")]

    @classmethod
    def of(cls, status: MigrationStatus) -> MigrationEntry:
        return cls(
            status.version,
            status.name,
            status.state,
            Phase(status.phase) if status.phase else None,
            status.applied_at,
            status.duration_ms,
            status.detail,
        )


class DatabaseEntry(Part, frozen=True):
    """One database."""

    database: Annotated[str, says("Its id.")]
    address: Annotated[str, says("Where it is.")]
    server: Annotated[str, says("What answers there.")]
    identity: Annotated[str, says("Which target it says it is; empty before the first apply.")]
    up_to_date: Annotated[bool, says("Everything is applied and deployed, and its logins lack nothing.")]
    counts: Annotated[
        dict[MigrationState, int],
        Meta(
            description="How many migrations have each state.",
            extra_json_schema={"propertyNames": {"enum": [*MigrationState]}, "required": [*MigrationState]},
        ),
    ]
    migrations: Annotated[tuple[MigrationEntry, ...], says("In version order.")]
    error: Annotated[ErrorEntry | None, says("Why it could not be asked; null where it answered.")]
    deployment: Annotated[tuple[str, ...], says("What a deployment would change, as text.")]

    logins: Annotated[tuple[str, ...], says("What `apply` would make, grant or set of its logins, as text.")]
    holder: Annotated[str, says("Who is at work on it and since when; empty where its lease is free.")]
    seen: Annotated[
        SeenEntry | None,
        says(
            "When a run looked at it last, where this is told from the state document; null where it was asked."
        ),
    ]

    @classmethod
    def of(cls, status: DatabaseStatus, environment: str) -> DatabaseEntry:
        return cls(
            status.database,
            status.address,
            status.server,
            status.identity,
            status.is_up_to_date,
            {each: status.count(each) for each in MigrationState},
            tuple(MigrationEntry.of(each) for each in status.migrations),
            ErrorEntry.of(status.error, environment) if status.error else None,
            status.deployment,
            status.logins,
            status.holder,
            SeenEntry.of(status.seen),
        )

    def count(self, *states: MigrationState) -> int:
        return sum(self.counts[each] for each in states)


class StatusDocument(Document, frozen=True, kw_only=True, tag="seedbed/status/1"):
    """Every migration of every database, and where it stands."""

    commands: ClassVar = ("status",)

    environment: Annotated[str, says("The environment's name.")]
    up_to_date: Annotated[bool, says("Every database is.")]
    databases: Annotated[tuple[DatabaseEntry, ...], says("In the order of their ids.")]

    @classmethod
    def of(cls, status: Status, command: str) -> StatusDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=status.environment,
            up_to_date=all(each.is_up_to_date for each in status.databases),
            databases=tuple(DatabaseEntry.of(each, status.environment) for each in status.databases),
        )
