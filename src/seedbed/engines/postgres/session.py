"""A session on a PostgreSQL target: reading, and taking the lease."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.store.history import HistoryTable
from seedbed.engines.postgres.wire.connection import is_not_let_in, open_connection, open_plain
from seedbed.engines.postgres.wire.libpq import PlainConnection, QueryFailed, cut
from seedbed.engines.postgres.wire.messages import missing_right, plain
from seedbed.errors import AccessRefused, StepFailed, Unreachable
from seedbed.model.history import History, Owner
from seedbed.model.platform import ALL, Where

if TYPE_CHECKING:
    from decimal import Decimal

    from psycopg import Connection

    from seedbed.engines.postgres.store.lease import PostgresLease
    from seedbed.model.event import Listener
    from seedbed.model.ids import Extent, Ids
    from seedbed.model.migration import Work
    from seedbed.model.ownership import Place
    from seedbed.model.plan import Loss
    from seedbed.model.target import Target
    from seedbed.model.usage import Removed, Usage
    from seedbed.model.verification import Holders, QueryRow, Suspect
    from seedbed.model.verified import Verified, VerifyRecord


@contextmanager
def connect(target: Target) -> Iterator[PostgresSession]:
    """Open a session on `target`. Raises Unreachable."""
    with closing(PostgresSession(target.id, cast(Address, target.address))) as session:
        session.open()
        yield session


class PostgresSession:
    """One connection: a plain one first, and the driver's own as soon as there is more to do than that one can.

    The plain one reads the history and, where `expect` was told of nothing else, has the lease of plain migrations.
    """

    def __init__(self, target: str, address: Address) -> None:
        self.target = target
        self.address = address
        closed_to = address.application.user if address.application else ""
        self.table = HistoryTable(address.history_schema, closed_to)
        self._reached = address  # another login's where ours is not let in, and only reading can go on
        self._login_changes: Sequence[str] | None = None
        self._version = 0
        self._plain: PlainConnection | None = None
        self._is_plain_enough = False
        self._plain_has_lease = False
        self._has_unfinished = False
        self._connection: Connection[tuple[Any, ...]] | None = None
        self._beside: Connection[tuple[Any, ...]] | None = None

    def open(self) -> None:
        """Connect; as the administrator where our own login is still to be made. Raises Unreachable, AccessRefused."""
        try:
            self._connect()
        except (AccessRefused, Unreachable) as error:
            if self.address.admin is None or not is_not_let_in(error):
                raise
            self._reached = self.address.reached_as(self.address.admin)
            try:
                self._connect()
            except AccessRefused as worse:
                worse.try_ = "check DB_ADMIN_USER and DB_ADMIN_PASSWORD"
                raise

    def _connect(self) -> None:
        self._plain = open_plain(self._reached)
        self._version = self._plain.server_version if self._plain else self.connection.info.server_version

    def close(self) -> None:
        self._close_plain()
        for connection in filter(None, (self._connection, self._beside)):
            connection.close()
        self._connection = self._beside = None

    def _close_plain(self) -> None:
        if self._plain is not None:
            self._plain.close()
            self._plain = None

    @property
    def connection(self) -> Connection[tuple[Any, ...]]:
        """The driver's connection, opened when it is first asked for. Raises Unreachable."""
        if self._connection is None:
            if not self._plain_has_lease:
                self._close_plain()  # a server may have no place for a second one
            self._connection = open_connection(self._reached)
        return self._connection

    @property
    def server(self) -> str:
        major, minor = divmod(self._version, 10000)
        return f"PostgreSQL {major}.{minor}"

    def history(self) -> History:
        with _reading(f"the history of {self.target}"):
            history = self.table.read(plain(self._plain or self.connection).rows)
        self._has_unfinished = bool(history.unfinished)
        return history

    def holder(self) -> str:
        from seedbed.engines.postgres.store import advisory_lock

        with _reading(f"the lease of {self.target}"):
            number = advisory_lock.key(self.address.history_schema)
            found = advisory_lock.holder(self._plain or self.connection, number)
        return str(found.owner) if found else ""

    def interrupt(self) -> None:
        """Cancel the running statement: its transaction rolls back, a concurrent build leaves its record."""
        with suppress(Exception):  # whoever is interrupted may be gone already, or not have begun
            if self._connection is not None:
                self._connection.cancel_safe(timeout=5)
            elif self._plain is not None:
                self._plain.cancel()

    def abandon(self) -> None:
        """Cut the line: whoever waits for an answer finds it broken."""
        for connection in filter(None, (self._connection, self._beside)):
            cut(connection.pgconn.socket)
        if self._plain is not None:
            self._plain.cut()

    def expect(self, works: Sequence[Work]) -> None:
        """Know what the next lease is for: where each of `works` is one transaction, it does without the driver."""
        from seedbed.engines.postgres.running.transactional import is_short

        self._is_plain_enough = not self._has_unfinished and all(map(is_short, works))

    def schema(self) -> Sequence[str]:
        from seedbed.engines.postgres.schema.inspect import schema
        from seedbed.engines.postgres.wire.driver import rows_of_all
        from seedbed.engines.postgres.wire.messages import translate_errors

        with translate_errors(f"reading the schema of {self.target}"):
            queries = partial(rows_of_all, self.connection)
            return schema(queries, exclude_schemas={self.address.history_schema})

    def present(self, names: Sequence[str]) -> Collection[str]:
        from seedbed.engines.postgres.running.presence import present

        with _reading(f"the tables of {self.target}"):
            return present(plain(self._plain or self.connection).rows, names)

    def place(self) -> Place:
        from seedbed.engines.postgres.running.place import place

        with _reading(f"where {self.target} is"):
            return place(plain(self._plain or self.connection).rows)

    def readable(self, place: Place) -> Sequence[str]:
        from seedbed.engines.postgres.running.place import readable

        with _reading(f"the privileges on the tables of {self.target}"):
            return readable(
                plain(self._plain or self.connection).rows, place, self.place(), self.address.history_schema
            )

    def ids(self, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
        from seedbed.engines.postgres.running import ids

        return ids.ids(self.connection, self._open_beside, path, where)

    def _open_beside(self) -> Connection[tuple[Any, ...]]:
        """Return a second connection, which lives as long as the first one. Raises Unreachable."""
        if self._beside is None:
            self._beside = open_connection(self._reached)
        return self._beside

    def extent(self, path: str, where: Where = ALL) -> Extent:
        from seedbed.engines.postgres.running.ids import extent

        return extent(self.connection, path, where)

    def found(self, path: str, ids: Sequence[str]) -> Collection[str]:
        from seedbed.engines.postgres.running.ids import found

        return found(self.connection, path, ids)

    def holders(
        self, path: str, suspects: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
    ) -> Mapping[str, Holders]:
        from seedbed.engines.postgres.running.ids import holders

        return holders(self.connection, path, suspects, time=time, most=most, where=where)

    def rows(self, query: str, most: int) -> Sequence[QueryRow]:
        from seedbed.engines.postgres.running.queries import rows

        return rows(self.connection, query, most)

    def number(self, query: str) -> Decimal:
        from seedbed.engines.postgres.running.queries import number

        return number(self.connection, query)

    def verified(self) -> Verified:
        from seedbed.engines.postgres.store import verified

        with _reading(f"what verify found of {self.target}"):
            return verified.read(
                plain(self._plain or self.connection).rows, self.address.history_schema, self.target
            )

    def keep(self, record: VerifyRecord, forget: Collection[str]) -> None:
        from seedbed.engines.postgres.store import verified

        with _reading(f"what verify found of {self.target}", doing="keeping"):
            query = plain(self._plain or self.connection).rows
            verified.keep(query, self.address.history_schema, record, forget)

    def usage(self, removed: Sequence[Removed]) -> Usage:
        from seedbed.engines.postgres.running.usage import usage

        with _reading(f"what {self.target} counts"):
            return usage(plain(self._plain or self.connection).rows, removed)

    def losses(self, works: Sequence[Work]) -> Sequence[Loss]:
        """Return how many rows `works` would remove."""
        from seedbed.engines.postgres.running.losses import losses

        doing = f"counting what a revert of {self.target} would remove"
        try:
            return losses(plain(self._plain or self.connection).rows, works)
        except QueryFailed as error:
            raise StepFailed(f"{doing} failed: {error}", because=f"SQLSTATE {error.sqlstate}") from None

    def login_changes(self) -> Sequence[str]:
        if self.address.admin is None:
            return ()
        if self._login_changes is None:
            from seedbed.engines.postgres.logins.lacking import in_words, lacking

            with _reading(f"the logins of {self.target}"):
                query = plain(self._plain or self.connection).rows
                lacks = lacking(query, self.address, self._version, own=self._reached is self.address)
            self._login_changes = in_words(lacks, self.address)
        return self._login_changes

    @contextmanager
    def lease(self, owner: Owner, *, wait: float, listener: Listener) -> Iterator[PostgresLease]:
        from seedbed.engines.postgres.store import lease_store

        if self.login_changes():
            self._make_logins(owner, wait, listener)
        self._plain_has_lease = self._is_plain_enough and self._plain is not None
        self._is_plain_enough = False  # said of this lease; the next may be for a seed
        with lease_store.lease(
            self._plain if self._plain and self._plain_has_lease else self.connection,
            self.address,
            self.table,
            self.target,
            owner,
            driver=self._without_plain,
            wait=wait,
            listener=listener,
        ) as lease:
            yield lease

    def _make_logins(self, owner: Owner, wait: float, listener: Listener) -> None:
        """Make the logins as the administrator, under a lease of its own, and connect anew as ourselves."""
        from seedbed.engines.postgres.logins.making import make
        from seedbed.engines.postgres.store import lease_store
        from seedbed.engines.postgres.wire.messages import translate_errors
        from seedbed.model.event import LoginsChanged

        assert self.address.admin is not None
        self.close()
        self._reached = self.address.reached_as(self.address.admin)
        connection = self.connection
        with (
            lease_store.lease(
                connection,
                self._reached,
                self.table,
                self.target,
                owner,
                driver=lambda: connection,
                wait=wait,
                listener=listener,
            ),
            translate_errors(f"making the logins of {self.target}"),
        ):
            for done in make(connection, self.address, self.target):
                listener(LoginsChanged(self.target, done))
        self.close()
        self._reached, self._login_changes = self.address, ()
        self._connect()

    def _without_plain(self) -> Connection[tuple[Any, ...]]:
        self._plain_has_lease = False
        return self.connection

    def unlock(self, *, actor: str) -> str:
        """End the session that holds the lease and write that into the audit; return who it was."""
        from seedbed.engines.postgres.store import lease_store

        return lease_store.unlock(self.connection, self.address, self.table, self.target, actor=actor)


@contextmanager
def _reading(what: str, *, doing: str = "reading") -> Iterator[None]:
    """Say what the server's refusal or silence means for who reads `what`. Raises Unreachable, StepFailed."""
    doing = f"{doing} {what}"
    try:
        yield
    except QueryFailed as error:
        if error.is_broken:
            raise Unreachable(f"{doing} failed", because=str(error), try_="run it again") from None
        try_ = missing_right(error.sqlstate, str(error))
        raise StepFailed(
            f"{doing} failed: {error}", because=f"SQLSTATE {error.sqlstate}", try_=try_
        ) from None
