"""A session on a PostgreSQL target: reading, and taking the lease."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.store.history import HistoryTable
from seedbed.engines.postgres.wire.connection import open_connection, open_look
from seedbed.engines.postgres.wire.libpq import Look, QueryFailed
from seedbed.errors import StepFailed, Unreachable
from seedbed.model.history import History, Owner

if TYPE_CHECKING:
    from psycopg import Connection

    from seedbed.engines.postgres.store.lease import PostgresLease
    from seedbed.model.event import Listener
    from seedbed.model.target import Target


@contextmanager
def connect(target: Target) -> Iterator[PostgresSession]:
    """Open a session on `target`. Raises Unreachable."""
    with closing(PostgresSession(target.id, cast(Address, target.address))) as session:
        session.open()
        yield session


class PostgresSession:
    """One connection: a look first, and the driver's own as soon as there is more to do than to read the history.

    Whoever takes a lease from it writes through the driver's connection.
    """

    def __init__(self, target: str, address: Address) -> None:
        self.target = target
        self.address = address
        self.table = HistoryTable(address.history_schema)
        self._version = 0
        self._look: Look | None = None
        self._connection: Connection[tuple[Any, ...]] | None = None

    def open(self) -> None:
        """Connect. Raises Unreachable."""
        self._look = open_look(self.address)
        self._version = self._look.server_version if self._look else self.connection.info.server_version

    def close(self) -> None:
        self._close_look()
        if self._connection is not None:
            self._connection.close()

    def _close_look(self) -> None:
        if self._look is not None:
            self._look.close()
            self._look = None

    @property
    def connection(self) -> Connection[tuple[Any, ...]]:
        """The driver's connection, opened when it is first asked for. Raises Unreachable."""
        if self._connection is None:
            self._close_look()  # a server may have no place for a second one
            self._connection = open_connection(self.address)
        return self._connection

    @property
    def server(self) -> str:
        major, minor = divmod(self._version, 10000)
        return f"PostgreSQL {major}.{minor}"

    def history(self) -> History:
        doing = f"reading the history of {self.target}"
        if self._look is None:
            from seedbed.engines.postgres.wire.messages import asking, translate_errors

            with translate_errors(doing):
                return self.table.read(asking(self.connection))
        try:
            return self.table.read(self._look.query)
        except QueryFailed as error:
            if error.is_broken:
                raise Unreachable(f"{doing} failed", because=str(error), try_="run it again") from None
            raise StepFailed(f"{doing} failed: {error}", because=f"SQLSTATE {error.sqlstate}") from None

    def interrupt(self) -> None:
        """Cancel the running statement: its transaction rolls back, a concurrent build leaves its record."""
        with suppress(Exception):  # whoever is interrupted may be gone already, or not have begun
            if self._connection is not None:
                self._connection.cancel_safe(timeout=5)

    def schema(self) -> Sequence[str]:
        from seedbed.engines.postgres.schema.inspect import schema
        from seedbed.engines.postgres.wire.messages import translate_errors

        with translate_errors(f"reading the schema of {self.target}"):
            return schema(self.connection, exclude_schemas={self.address.history_schema})

    def lease(
        self, owner: Owner, *, wait: float, listener: Listener
    ) -> AbstractContextManager[PostgresLease]:
        from seedbed.engines.postgres.store import lease_store

        return lease_store.lease(
            self.connection, self.address, self.table, self.target, owner, wait=wait, listener=listener
        )

    def unlock(self, *, actor: str) -> str:
        """End the session that holds the lease and write that into the audit; return who it was."""
        from seedbed.engines.postgres.store import lease_store

        return lease_store.unlock(self.connection, self.address, self.table, self.target, actor=actor)
