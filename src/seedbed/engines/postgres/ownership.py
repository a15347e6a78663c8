"""How a lease is held in PostgreSQL: a session advisory lock, who holds it, whether that holder is alive.

The lock belongs to the session that also does the work, so the two cannot part: when the session is gone, its
transaction and its lock are gone. What could still fake it is a pooler that lends one server session to
several clients; `prove_exclusive` finds that out.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.connection import CHECK_INTERVAL, MARK, open_connection
from seedbed.errors import LeaseNotExclusive, SeedbedError
from seedbed.model.history import Owner

if TYPE_CHECKING:
    from psycopg import Connection

_TRY = """
SELECT pg_try_advisory_lock({key}), pg_backend_pid(), current_setting('client_connection_check_interval')
"""
_HOLDER = """
SELECT a.pid, a.application_name, to_char(a.backend_start, 'YYYY-MM-DD"T"HH24:MI:SSOF')
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.classid = {high}::oid AND l.objid = {low}::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Sessions that bear a run's mark and are at work although the lease is ours: what a vanished owner left.
_LEFT_BEHIND = """
SELECT pid, application_name FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE '{mark} run %' AND pid <> pg_backend_pid()
"""
_END = "SELECT pg_terminate_backend({pid}, 10000)"


@dataclass(frozen=True, slots=True)
class Holder:
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


def try_lock(connection: Connection[tuple[Any, ...]], number: int) -> tuple[bool, int, bool]:
    """Return (got it, the server process that answered, whether our session settings arrived)."""
    row = connection.execute(_TRY.format(key=number).encode()).fetchone()
    assert row is not None
    return row[0], row[1], row[2] == CHECK_INTERVAL


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
    """End a server process and wait up to ten seconds; return whether it is gone."""
    row = connection.execute(_END.format(pid=pid).encode()).fetchone()
    return bool(row and row[0])


def left_behind(connection: Connection[tuple[Any, ...]]) -> list[tuple[int, str]]:
    """Return (server process, its mark) of sessions that another run left at work."""
    rows = connection.execute(_LEFT_BEHIND.format(mark=MARK).encode()).fetchall()
    return [(pid, name) for pid, name in rows]


def prove_exclusive(
    connection: Connection[tuple[Any, ...]], address: Address, server_process: int, *, pinned: bool
) -> None:
    """Raise LeaseNotExclusive unless our session is ours alone.

    A direct connection tells the same process number in its start-up and in `pg_backend_pid()`: proven. Where
    they differ something stands between. Then a second connection opens a transaction, which a
    transaction-mode pooler serves with the session that we just used, and ours is asked again: another
    answer, or none, proves that sessions are shared.
    """
    if connection.info.backend_pid == server_process and pinned:
        return
    if _is_shared(connection, address, server_process):
        raise LeaseNotExclusive(
            f"the connection to {address} goes through a pooler in transaction mode",
            because="it lends one server session to several clients, so a lock taken there is nobody's",
            try_="connect to PostgreSQL itself, or to a pool in session mode",
        )
    if not pinned:
        raise LeaseNotExclusive(
            f"something between us and {address} drops our session settings",
            because="client_connection_check_interval did not arrive (pgbouncer: ignore_startup_parameters)",
            try_="connect to PostgreSQL itself",
        )


def _is_shared(connection: Connection[tuple[Any, ...]], address: Address, server_process: int) -> bool:
    import psycopg

    try:
        other = open_connection(address)
    except SeedbedError:
        return False  # the pool has no second session to give, so nobody else has ours
    try:
        other.execute("BEGIN")
        taken = other.execute("SELECT pg_backend_pid()").fetchone()
        if taken and taken[0] == server_process:
            return True
        connection.execute("SET statement_timeout = '5s'")
        answer = connection.execute("SELECT pg_backend_pid()").fetchone()
        connection.execute("RESET statement_timeout")
        return answer is None or answer[0] != server_process
    except psycopg.Error:
        return True
    finally:
        other.close()
