"""Writes through the session that holds the lease, and what the server says to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from seedbed.engines.base import Progress
from seedbed.engines.kit.touched import Touched
from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.engines.postgres.rules.advice import advice
from seedbed.engines.postgres.store import advisory_lock
from seedbed.engines.postgres.store.history import HistoryTable
from seedbed.engines.postgres.wire.libpq import Diagnostic as PlainDiagnostic
from seedbed.engines.postgres.wire.libpq import PlainConnection
from seedbed.engines.postgres.wire.messages import ServerError
from seedbed.errors import Interrupted, Location, SeedbedError, StalePlan, StepFailed, limited
from seedbed.model.event import Retrying, ServerNotice
from seedbed.model.migration import Migration
from seedbed.wire.retrying import Attempt, Policy, retrying

if TYPE_CHECKING:
    import psycopg
    from psycopg.errors import Diagnostic

    from seedbed.engines.postgres.wire.messages import Connection


class FencedWriter(Struct):
    """The session that holds the lease: where to, in whose name, and the notices that came in meanwhile.

    The lease is a lock of this session, so what is written through it is written under the lease.
    """

    wire: Connection
    address: Address
    table: HistoryTable
    target: str
    owner: str
    mark: str
    touched: Touched = field(default_factory=Touched)  # what was sent of migrations, seeds and a reset
    _notices: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if isinstance(self.wire, PlainConnection):
            self.wire.on_notice = self._notice
        else:
            self.wire.add_notice_handler(self._notice)

    @property
    def connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        return self.require_driver()

    def require_driver(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return the driver's connection. Raises StalePlan where the lease was taken for what does without it."""
        if isinstance(self.wire, PlainConnection):
            raise StalePlan(
                f"what is to be done on {self.target} changed while its lease was taken",
                because="another run changed its history meanwhile",
                try_="run the same command again",
            )
        return self.wire

    def _notice(self, diag: Diagnostic | PlainDiagnostic) -> None:
        self._notices.append((diag.severity_nonlocalized or "NOTICE", diag.message_primary or ""))

    def notices(self, version: str) -> Iterator[Progress]:
        """Yield the server's notices since the last call."""
        said, self._notices[:] = list(self._notices), []
        for severity, text in said:
            yield ServerNotice(self.target, version, severity, limited(text))

    def forget_session(self) -> str:
        """Return the statements that undo whatever a migration did to the session; our mark and our lock are kept.

        What gives up the session's advisory locks would give up the lease: a lock of the transaction stands in for it
        meanwhile.
        """
        key = advisory_lock.key(self.address.history_schema)
        return (
            "RESET SESSION AUTHORIZATION; RESET ALL; DISCARD TEMP; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *; "
            f"SELECT pg_catalog.pg_advisory_xact_lock({key}); SELECT pg_catalog.pg_advisory_unlock_all(); "
            f"SELECT pg_catalog.pg_advisory_lock({key}); SET application_name = {quoted_text(self.mark)}"
        )

    def attempts(self) -> Iterator[Attempt]:
        """Yield attempts at what may give way, as often as the address allows."""
        return retrying(Policy(attempts=self.address.lock_retries + 1, base=0.1, cap=10.0, floor=0.05))

    def retry(
        self, migration: Migration, error: ServerError, attempt: Attempt, at: Location
    ) -> Iterator[Progress]:
        """Emit that what gave way is tried again; raises for anything else, and in the end."""
        failed = self.failed(migration, error, at)
        if not error.is_transient:
            raise failed from None
        delay = attempt.failed(failed)
        yield Retrying(self.target, migration.version, str(error), attempt.number, round(delay, 2))

    def failed(self, migration: Migration, error: ServerError, at: Location) -> SeedbedError:
        """Return the error for a statement that the server rejected."""
        if error.was_canceled:
            return Interrupted(
                f"{migration.label} was interrupted on {self.target}",
                because="its step was rolled back" if error.sqlstate else "",
                try_="run the same command again: it goes on where this one stopped",
            )
        return StepFailed(
            f"{migration.label} failed on {self.target}: {error}",
            because=error.because(),
            try_=advice(error.sqlstate, str(error), is_transient=error.is_transient),
            at=at,
        )
