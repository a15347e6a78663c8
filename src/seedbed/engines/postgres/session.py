"""A session on a PostgreSQL target: reading, and taking the lease."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from random import Random
from typing import TYPE_CHECKING, Any, cast

from seedbed.engines.postgres import ownership
from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.connection import open_connection
from seedbed.engines.postgres.history import HistoryTable, quoted
from seedbed.engines.postgres.messages import in_words
from seedbed.errors import Busy, LeaseLost, Refused, Unreachable
from seedbed.model.backoff import backoff
from seedbed.model.event import LeaseAwaited, Listener, TakenOver
from seedbed.model.history import History, Owner

if TYPE_CHECKING:
    from psycopg import Connection

    from seedbed.engines.postgres.lease import PostgresLease
    from seedbed.model.environment import Target

_FIRST_POLL, _SLOWEST_POLL = 0.05, 1.0  # seconds


@contextmanager
def connect(target: Target) -> Iterator[PostgresSession]:
    """Open a session on `target`. Raises Unreachable."""
    address = cast(Address, target.address)
    with closing(open_connection(address)) as connection:
        yield PostgresSession(target.id, address, connection)


class PostgresSession:
    """One connection. Whoever takes a lease from it writes through this same connection."""

    def __init__(self, target: str, address: Address, connection: Connection[tuple[Any, ...]]) -> None:
        self.target = target
        self.address = address
        self.connection = connection
        self.table = HistoryTable(address.history_schema)
        self._lock = ownership.key(address.history_schema)

    @property
    def server(self) -> str:
        major, minor = divmod(self.connection.info.server_version, 10000)
        return f"PostgreSQL {major}.{minor}"

    def history(self) -> History:
        with in_words(f"reading the history of {self.target}"):
            return self.table.read(self.connection)

    def interrupt(self) -> None:
        """Cancel the running statement: its transaction rolls back, a concurrent build leaves its record."""
        with suppress(Exception):  # whoever is interrupted may be gone already
            self.connection.cancel_safe(timeout=5)

    def schema(self) -> Sequence[str]:
        from seedbed.engines.postgres.inspect import schema

        with in_words(f"reading the schema of {self.target}"):
            return schema(self.connection, exclude_schemas={self.address.history_schema})

    def lease(
        self, owner: Owner, *, wait: float, listener: Listener
    ) -> AbstractContextManager[PostgresLease]:
        return self._lease(owner, wait, listener)

    @contextmanager
    def _lease(self, owner: Owner, wait: float, listener: Listener) -> Iterator[PostgresLease]:
        from seedbed.engines.postgres.lease import PostgresLease

        name = ownership.application_name(owner)
        try:
            with in_words(f"taking the lease of {self.target}"):
                self._acquire(wait, listener)
        except LeaseLost as error:  # there was none yet: nothing was touched
            raise Unreachable(error.what, because=error.because, try_="run the same command again") from None
        try:
            self.connection.execute(f"SET application_name = {quoted(name)}".encode())
            for pid, left in ownership.left_behind(self.connection):
                if ownership.end(self.connection, pid):
                    listener(TakenOver(self.target, f"ended server process {pid} of {left!r}"))
            yield PostgresLease(self, owner, name)
        finally:
            self._release()

    def _acquire(self, wait: float, listener: Listener) -> None:
        """Poll for the lock; never block on it, because a blocked waiter deadlocks with CONCURRENTLY."""
        began, told, attempt, rng, proven = time.monotonic(), 0.0, 0, Random(), False
        while True:
            got = ownership.try_lock(self.connection, self._lock, proven=proven)
            if got:
                return
            if got is None:
                ownership.prove_exclusive(self.connection, self.address)
                proven = True
                continue
            waited = time.monotonic() - began
            found = ownership.holder(self.connection, self._lock)
            if found and ownership.has_vanished(found) and self._end(found):
                listener(TakenOver(self.target, f"ended {found.owner}, whose process is gone"))
                continue
            if waited >= wait:
                raise self._busy(found, waited)
            if told == 0.0 or waited - told >= 1.0:
                listener(LeaseAwaited(self.target, str(found.owner) if found else "another run", waited))
                told = waited or 1e-9
            attempt += 1
            pause = _FIRST_POLL / 2 + backoff(min(attempt, 6), base=_FIRST_POLL, cap=_SLOWEST_POLL, rng=rng)
            time.sleep(min(pause, max(0.0, wait - waited)))

    def _end(self, found: ownership.Holder) -> bool:
        with suppress(
            Refused
        ):  # another role's: the server itself ends it when it finds nobody at the other end
            return ownership.end(self.connection, found.pid)
        return False

    def _busy(self, found: ownership.Holder | None, waited: float) -> Busy:
        return Busy(
            f"another run holds the lease of {self.target}",
            because=f"{found.owner if found else 'another run'} did not finish within {waited:.0f} s",
            try_="wait longer with --wait, or look what it does; `seedbed repair --unlock` ends it",
        )

    def _release(self) -> None:
        with suppress(Exception):  # a broken connection holds nothing any more
            self.connection.rollback()
            self.connection.execute(f"RESET ALL; SELECT pg_advisory_unlock({self._lock})".encode())

    def unlock(self, *, actor: str) -> str:
        """End the session that holds the lease and write that into the audit; return who it was."""
        with in_words(f"ending the lease of {self.target}"):
            found = ownership.holder(self.connection, self._lock)
            if found is None or not ownership.end(self.connection, found.pid):
                return ""
            line = self.table.audit(actor, "unlock", "", f"ended {found.owner}")
            self.connection.execute(line.encode())
            return str(found.owner)
