"""How a lease is held in PostgreSQL: a session advisory lock, who holds it, whether that holder is alive.

The lock belongs to the session that also does the work, so the two cannot part: when the session is gone, its
transaction and its lock are gone. What could still fake it is a pooler that lends one server session to
several clients; `require_exclusive` finds that out.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any

import psycopg
from msgspec import Struct
from psycopg import generators

from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.store.history import quoted
from seedbed.engines.postgres.wire.connection import CHECK_INTERVAL, MARK, open_connection, pins
from seedbed.engines.postgres.wire.messages import send
from seedbed.errors import LeaseNotExclusive, Refused
from seedbed.model.history import Owner

if TYPE_CHECKING:
    from psycopg import Connection

# Through a pooler the lock is not even tried before the session is confirmed to be ours: taken in a session that we
# lose the next moment, it would stay with the pooler, and nobody could give it back.
_TRY = """
SELECT CASE WHEN pg_backend_pid() = {own} AND current_setting('client_connection_check_interval') = '{interval}'
            THEN pg_try_advisory_lock({key}) END
"""
_TRY_EXCLUSIVE = "SELECT pg_try_advisory_lock({key})"
_HOLDER = """
SELECT a.pid, a.application_name, to_char(a.backend_start, 'YYYY-MM-DD"T"HH24:MI:SSOF')
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.classid = {high}::oid AND l.objid = {low}::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Sessions that bear a run's mark and are at work although the lease is ours: what a vanished owner left. One that
# holds a lock of its own is another history's run.
_LEFT_BEHIND = """
SELECT a.pid, a.application_name FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.application_name LIKE '{mark} run %' AND a.pid <> pg_backend_pid()
  AND NOT EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted)
"""
_SERVER_PROCESS = "SELECT pg_backend_pid()"
# Names of the settings that do not stand where RESET would put them back to what we want.
_NOT_ARRIVED = """
SELECT string_agg(name, ', ' ORDER BY name) FROM pg_settings
WHERE name IN ({names}) AND setting IS DISTINCT FROM reset_val
"""
_PATIENCE = 5.0  # seconds that a pooler has for an answer
_LAPS = 50  # short transactions, so that a pool that takes turns comes round to every session that it has
_END = "SELECT pg_terminate_backend({pid}, 10000)"


class Holder(Struct, frozen=True):
    """The session that holds the lease."""

    pid: int
    application_name: str
    since: str

    @property
    def owner(self) -> Owner:
        words = self.application_name.split(" ", 4)
        who = words[4] if len(words) == 5 else self.application_name or "an unnamed session"
        return Owner(self.application_name, f"{who}, server process {self.pid}", self.since)


def key(history_schema: str) -> int:
    """Return the signed 64-bit advisory lock number; databases have lock spaces of their own already."""
    digest = sha256(f"seedbed:{history_schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def machine() -> str:
    """Return 8 hex digits that two processes share only if they see the same process ids."""
    marks = [socket.gethostname()]
    with suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    with suppress(OSError):
        marks.append(os.readlink("/proc/self/ns/pid"))
    return sha256("\n".join(marks).encode()).hexdigest()[:8]


def application_name(owner: Owner) -> str:
    """Return the mark of a run: `seedbed run <machine> <pid> <who>`, cut to the 63 bytes that the server keeps."""
    who = owner.who.encode("ascii", "replace").decode()
    return f"{MARK} run {machine()} {os.getpid()} {who}"[:63]


def try_lock(connection: Connection[tuple[Any, ...]], number: int, *, confirmed: bool = False) -> bool | None:
    """Return whether we got the lock; None, and nothing was tried, where `require_exclusive` has to speak first."""
    query = _TRY_EXCLUSIVE if confirmed else _TRY
    own = connection.info.backend_pid
    row = connection.execute(query.format(own=own, interval=CHECK_INTERVAL, key=number).encode()).fetchone()
    return row[0] if row else None


def holder(connection: Connection[tuple[Any, ...]], number: int) -> Holder | None:
    """Return who holds the lock now, as far as this role may see; None if nobody does."""
    unsigned = number % 2**64
    query = _HOLDER.format(high=unsigned >> 32, low=unsigned & 0xFFFFFFFF)
    row = connection.execute(query.encode()).fetchone()
    return Holder(*row) if row else None


def has_vanished(found: Holder) -> bool:
    """Return whether the holder ran on this very machine and its process is gone."""
    words = found.application_name.split(" ", 4)
    if words[:2] != [MARK, "run"] or len(words) < 4 or words[2] != machine() or not words[3].isdigit():
        return False
    try:
        os.kill(int(words[3]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def end(connection: Connection[tuple[Any, ...]], pid: int) -> bool:
    """End a server process and wait up to ten seconds; return whether it is gone. Raises Refused without the right."""
    try:
        row = connection.execute(_END.format(pid=pid).encode()).fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        raise Refused(
            f"{connection.info.user} may not end server process {pid}",
            because=error.diag.message_detail or str(error),
            try_=f"GRANT pg_signal_backend TO {connection.info.user}, or run as the role that it belongs to",
        ) from None
    return bool(row and row[0])


def left_behind(connection: Connection[tuple[Any, ...]]) -> list[tuple[int, str]]:
    """Return (server process, its mark) of sessions that another run left at work."""
    rows = connection.execute(_LEFT_BEHIND.format(mark=MARK).encode()).fetchall()
    return [(pid, name) for pid, name in rows]


def require_exclusive(connection: Connection[tuple[Any, ...]], address: Address) -> None:
    """Raise LeaseNotExclusive unless our session is ours alone and has the settings that we asked for.

    A direct connection tells the same process number in its start-up and in `pg_backend_pid()`: then `try_lock`
    has no doubt. Where they differ something stands between: a pool in session mode may stay, if it handed
    our settings on.
    """
    if _is_shared(connection, address):
        raise LeaseNotExclusive(
            f"the connection to {address} goes through a pooler in transaction mode",
            because="it lends one server session to several clients, so a lock taken there is nobody's",
            try_="connect to PostgreSQL itself, or to a pool in session mode",
        )
    if lacking := _not_arrived(connection, address):
        raise LeaseNotExclusive(
            f"a connection pooler between us and {address} drops our session settings",
            because=f"{lacking} did not arrive (pgbouncer: ignore_startup_parameters)",
            try_="connect to PostgreSQL itself",
        )


def _is_shared(connection: Connection[tuple[Any, ...]], address: Address) -> bool:
    """Return whether a second client is ever served by the session that serves us, or ours ever changes.

    First while the other one keeps a transaction open: a pooler in transaction mode gives it the session that we
    used last, and us another one. Then by many short transactions, for a pool whose sessions take turns.
    """
    other = open_connection(address)
    try:
        ours = _server_process(connection)
        theirs = {_server_process(other, "BEGIN; ")}
        if ours in theirs:
            return True
        still_ours = _server_process(connection)
        theirs |= {_server_process(other, "COMMIT; ")}
        theirs |= {_server_process(other) for _ in range(_LAPS)}
        return ours in theirs or still_ours != ours or len(theirs) > 1
    finally:
        with suppress(psycopg.Error):
            other.close()


def _server_process(connection: Connection[tuple[Any, ...]], before: str = "") -> int:
    """Return which server process answers. Raises LeaseNotExclusive if none does for some seconds."""
    try:
        connection.pgconn.send_query(f"{before}{_SERVER_PROCESS}".encode())
        connection.wait(generators.send(connection.pgconn))
        with DefaultSelector() as selector:
            selector.register(connection.fileno(), EVENT_READ)
            if not selector.select(_PATIENCE):
                # It has no second session to give, or somebody else has ours: which of the two, nobody can say.
                raise _undecided(f"it gave no session to the shortest of queries within {_PATIENCE:.0f} s")
        answers = connection.wait(generators.fetch_many(connection.pgconn))
    except psycopg.Error as error:
        raise _undecided(" ".join(str(error).split())) from None
    if not answers[-1].ntuples:
        raise _undecided(" ".join((answers[-1].error_message or b"").decode("utf-8", "replace").split()))
    return int(answers[-1].get_value(0, 0) or 0)


def _undecided(because: str) -> LeaseNotExclusive:
    return LeaseNotExclusive(
        "a connection pooler stands before the server, and nobody can tell whether our session is ours alone",
        because=because,
        try_="connect to PostgreSQL itself",
    )


def _not_arrived(connection: Connection[tuple[Any, ...]], address: Address) -> str:
    """Return the names of settings that RESET would not bring to what we want; the server compares."""
    wanted = pins(address)
    sets = ", ".join(f"set_config({quoted(name)}, {quoted(value)}, true)" for name, value in wanted.items())
    names = ", ".join(map(quoted, wanted))
    answers = list(send(connection, f"BEGIN; SELECT {sets}; {_NOT_ARRIVED.format(names=names)}; ROLLBACK"))
    return answers[2].value
