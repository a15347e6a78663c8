"""The advisory lock that is the lease in PostgreSQL: take it, find its holder, find out whether that is alive.

The lock belongs to the session that also does the work, so the two cannot part: when the session is gone, its
transaction and its lock are gone. What could still fake it is a pooler that lends one server session to
several clients; `exclusivity` finds that out. Every query here returns text, over whichever connection.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from seedbed.engines.postgres.wire.connection import CHECK_INTERVAL, MARK, OWN_PATH
from seedbed.engines.postgres.wire.libpq import QueryFailed
from seedbed.engines.postgres.wire.messages import plain
from seedbed.errors import Refused
from seedbed.model.history import Owner

if TYPE_CHECKING:
    from seedbed.engines.postgres.wire.messages import Connection

# Through a pooler the lock is not even tried before the session is confirmed to be ours: taken in a session that we
# lose the next moment, it would stay with the pooler, and nobody could give it back.
_TRY = f"""
{OWN_PATH};
SELECT CASE WHEN pg_backend_pid() = {{own}} AND current_setting('client_connection_check_interval') = '{CHECK_INTERVAL}'
            THEN pg_try_advisory_lock({{key}})::text END
"""
_TRY_EXCLUSIVE = "SELECT pg_catalog.pg_try_advisory_lock({key})::pg_catalog.text"
_HOLDER = f"""
{OWN_PATH};
SELECT a.pid::text, a.application_name, to_char(a.backend_start, 'YYYY-MM-DD"T"HH24:MI:SSOF'), a.usename
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.classid = {{high}}::oid AND l.objid = {{low}}::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Sessions that bear a run's mark and are at work although the lease is ours: what a vanished owner left. One that
# holds a lock of its own is another history's run.
_LEFT_BEHIND = f"""
{OWN_PATH};
SELECT a.pid::text, a.application_name FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.application_name LIKE '{MARK} run %' AND a.pid <> pg_backend_pid()
  AND NOT EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted)
"""
_INSUFFICIENT_PRIVILEGE = "42501"
_END = "SELECT pg_catalog.pg_terminate_backend({pid}, 10000)::pg_catalog.text"


class LockHolder(Struct, frozen=True):
    """The session that holds the lease."""

    pid: int
    application_name: str
    since: str
    role: str = ""

    @property
    def owner(self) -> Owner:
        words = self.application_name.split(" ", 4)
        if words[:2] == [MARK, "run"] and len(words) == 5:
            who = words[4]
        else:  # any role that may connect can take the lock: say whose session to look at
            who = f"{self.application_name or 'an unnamed session'} of role {self.role}, which is no run of seedbed"
        return Owner(self.application_name, f"{who}, server process {self.pid}", self.since)


@cache
def key(history_schema: str) -> int:
    """Return the signed 64-bit advisory lock number; databases have lock spaces of their own already."""
    digest = sha256(f"seedbed:{history_schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def machine() -> str:
    """Return 8 hex digits that two processes share only if they see the same process ids."""
    marks = [os.uname().nodename]
    with suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    with suppress(OSError):
        marks.append(os.readlink("/proc/self/ns/pid"))
    return sha256("\n".join(marks).encode()).hexdigest()[:8]


def application_name(owner: Owner) -> str:
    """Return the mark of a run: `seedbed run <machine> <pid> <who>`, cut to the 63 bytes that the server keeps."""
    who = owner.who.encode("ascii", "replace").decode()
    return f"{MARK} run {machine()} {os.getpid()} {who}"[:63]


def try_lock(connection: Connection, number: int, *, confirmed: bool = False) -> bool | None:
    """Return whether we got the lock; None, and nothing was tried, where `require_exclusive` has to speak first."""
    query = _TRY_EXCLUSIVE if confirmed else _TRY
    wire = plain(connection)
    ((got,),) = wire.rows(query.format(own=wire.backend_pid, key=number))
    return None if got is None else got == "true"


def holder(connection: Connection, number: int) -> LockHolder | None:
    """Return who holds the lock now, as far as this role may see; None if nobody does."""
    unsigned = number % 2**64
    query = _HOLDER.format(high=unsigned >> 32, low=unsigned & 0xFFFFFFFF)
    for pid, name, since, role in plain(connection).rows(query):
        return LockHolder(int(pid or 0), name or "", since or "", role or "")
    return None


def has_vanished(found: LockHolder) -> bool:
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


def end(connection: Connection, pid: int) -> bool:
    """End a server process and wait up to ten seconds; return whether it is gone. Raises Refused without the right."""
    wire = plain(connection)
    try:
        return wire.rows(_END.format(pid=pid)) == [("true",)]
    except QueryFailed as error:
        if error.sqlstate != _INSUFFICIENT_PRIVILEGE:
            raise
        raise Refused(
            f"{wire.user} may not end server process {pid}",
            because=error.detail or str(error),
            try_=f"GRANT pg_signal_backend TO {wire.user}, or run as the role that it belongs to",
        ) from None


def left_behind(connection: Connection) -> list[tuple[int, str]]:
    """Return (server process, its mark) of sessions that another run left at work."""
    rows = plain(connection).rows(_LEFT_BEHIND)
    return [(int(pid or 0), name or "") for pid, name in rows]
