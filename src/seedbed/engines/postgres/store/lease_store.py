"""Acquire, release and end the lease of a PostgreSQL target."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from seedbed.engines.kit.errors import held_by_ourselves
from seedbed.engines.kit.waiting import Waiting
from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.engines.postgres.store import advisory_lock
from seedbed.engines.postgres.store.fenced_writer import FencedWriter
from seedbed.engines.postgres.store.history import HistoryTable
from seedbed.engines.postgres.store.lease import PostgresLease
from seedbed.engines.postgres.wire.messages import asking, end_transaction, plain, run, translate_errors
from seedbed.errors import Busy, LeaseLost, Refused, Unreachable
from seedbed.model.event import Listener, TakenOver
from seedbed.model.history import History, Owner

if TYPE_CHECKING:
    import psycopg

    from seedbed.engines.postgres.wire.messages import Connection


# The sessions of this process that hold a lease, by owner and server process: the target that each is held for.
_held: dict[tuple[str, int], str] = {}


@contextmanager
def lease(
    connection: Connection,
    address: Address,
    table: HistoryTable,
    target: str,
    owner: Owner,
    *,
    driver: Callable[[], psycopg.Connection[tuple[Any, ...]]],
    wait: float,
    listener: Listener,
) -> Iterator[PostgresLease]:
    """Take the lease, mark the session as a run, end what a vanished owner left at work; give it back at the end.

    `driver`: returns the driver's connection, which takes the place of `connection` where a pooler may stand between.

    Raises Busy, LeaseNotExclusive, Unreachable.
    """
    number = advisory_lock.key(address.history_schema)
    try:
        with translate_errors(f"taking the lease of {target}"):
            connection = _acquire(connection, driver, address, target, owner, wait, listener)
    except LeaseLost as error:  # there was none yet: nothing was touched
        raise Unreachable(error.what, because=error.because, try_="run the same command again") from None
    mark = advisory_lock.application_name(owner)
    session = (owner.id, plain(connection).backend_pid)
    _held[session] = target
    try:
        with translate_errors(f"taking over {target}"):
            run(connection, f"SET application_name = {quoted_text(mark)}")
            for pid, left in advisory_lock.left_behind(connection):
                if advisory_lock.end(connection, pid):
                    listener(TakenOver(target, f"ended server process {pid} of {left!r}"))
                elif (pid, left) in advisory_lock.left_behind(
                    connection
                ):  # else it ended by itself meanwhile
                    raise _does_not_end(target, pid, left)
        yield PostgresLease(
            FencedWriter(
                wire=connection,
                address=address,
                table=table,
                target=target,
                owner=owner.who,
                mark=mark,
            )
        )
    finally:
        _held.pop(session, None)
        with suppress(Exception):  # a broken connection holds nothing any more
            end_transaction(connection)
            run(connection, f"RESET ALL; SELECT pg_catalog.pg_advisory_unlock({number})")


def _does_not_end(target: str, pid: int, left: str) -> Busy:
    return Busy(
        f"server process {pid} of {left!r} does not end on {target}",
        because="it was told to, and what a vanished run left at work would go on beside this one",
        try_="run the same command again; pg_stat_activity shows what it waits for",
    )


def _acquire(
    connection: Connection,
    driver: Callable[[], psycopg.Connection[tuple[Any, ...]]],
    address: Address,
    target: str,
    owner: Owner,
    wait: float,
    listener: Listener,
) -> Connection:
    """Poll for the lock and return the connection that has it.

    Never block on it, because a blocked waiter deadlocks with CONCURRENTLY.
    """
    number = advisory_lock.key(address.history_schema)
    waiting, confirmed = Waiting(target, wait, listener), False
    while True:
        got = advisory_lock.try_lock(connection, number, confirmed=confirmed)
        if got:
            return connection
        if got is None:
            from seedbed.engines.postgres.store.exclusivity import require_exclusive

            connection = driver()
            require_exclusive(connection, address)
            confirmed = True
            continue
        found = advisory_lock.holder(connection, number)
        if found and (other := _held.get((owner.id, found.pid))):
            raise held_by_ourselves(target, other)
        if found and advisory_lock.has_vanished(found) and _end(connection, found):
            listener(TakenOver(target, f"ended {found.owner}, whose process is gone"))
            continue
        time.sleep(waiting.pause(str(found.owner) if found else "another run"))


def _end(connection: Connection, found: advisory_lock.LockHolder) -> bool:
    with suppress(Refused):  # another role's: the server ends it itself when it finds nobody at the other end
        return advisory_lock.end(connection, found.pid)
    return False


def unlock(connection: Connection, address: Address, table: HistoryTable, target: str, *, actor: str) -> str:
    """End the session that holds the lease and write that into the audit; return who it was, empty if nobody.

    Where there is no history yet, there is no audit either.
    """
    with translate_errors(f"ending the lease of {target}"):
        found = advisory_lock.holder(connection, advisory_lock.key(address.history_schema))
        if found is None or not advisory_lock.end(connection, found.pid):
            return ""
        if (
            table.read(asking(connection)) != History()
        ):  # a run that was ended at its first apply has made none yet
            run(connection, table.audit(actor, "unlock", "", f"ended {found.owner}"))
        return str(found.owner)
