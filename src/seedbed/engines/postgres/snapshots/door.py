"""Keeping writes out of a database before its cluster loses its name: a connection that is open would go on with it.

New sessions read only, by a setting of the database itself, which ours alone do not heed. So whoever still comes to
where the database was is told so by an error, and writes nothing that nobody will see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.wire.connection import open_connection
from seedbed.engines.postgres.wire.messages import asking, run, translate_errors
from seedbed.errors import Busy
from seedbed.support.phrases import listed

Ask = Callable[[str], Sequence[Sequence[object]]]
_SERVERS_OWN = ("postgres", "rdsadmin")
_SETTINGS = """
SELECT each FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, pg_catalog.unnest(s.setconfig) each
WHERE s.setrole = 0 AND d.datname = pg_catalog.current_database()
"""
# Without the right to see more, PostgreSQL tells of others who they are, and not what kind of process.
_CONNECTED = """
SELECT pid, usename, datname, application_name FROM pg_catalog.pg_stat_activity
WHERE usename IS NOT NULL AND usename <> 'rdsadmin' AND datname IS NOT NULL AND datname <> 'rdsadmin'
  AND pid <> pg_catalog.pg_backend_pid()
  AND coalesce(backend_type, 'client backend') IN ('client backend', 'walsender')
ORDER BY pid
"""
_ALTER = (
    "DO $$ BEGIN EXECUTE pg_catalog.format('ALTER DATABASE %I {}', pg_catalog.current_database()); END $$"
)
_MARK, _READS = (
    "seedbed.closed",
    "default_transaction_read_only",
)  # what `close` sets of a database: why, and that
_KEPT = "!"  # ends the mark of one that was closed by its operator before, and stays so
_CUT_OFF = """
SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database() AND usename IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
"""
_WAIT = "SELECT pg_catalog.pg_sleep(0.05)"
_LOOKS = 100  # at sessions that are cut off
_ENDING = 20  # looks at sessions that may have ended


def others(address: Address) -> list[str]:
    """Return the other databases of the cluster. Raises Unreachable."""
    with _asking(address) as ask:
        rows = ask(
            "SELECT datname FROM pg_catalog.pg_database WHERE NOT datistemplate "
            "AND datname <> pg_catalog.current_database() ORDER BY 1"
        )
    return [str(each[0]) for each in rows if each[0] not in _SERVERS_OWN]


def connected(address: Address) -> list[str]:
    """Return who is connected to a database of the cluster, one line each. Raises Unreachable."""
    with _asking(address) as ask:
        return _connected(ask)


def closed_by(address: Address) -> str:
    """Return the mark with which `close` closed what `address` leads to now, "" for none. Raises Unreachable."""
    with _asking(address) as ask:
        return _mark(ask).removesuffix(_KEPT)


def close(address: Address, mark: str, *, disconnect: bool) -> bool:
    """Let new sessions read only, and keep `mark`; return whether it was open. `disconnect`: end those that there are.

    Raises Busy where some are there and stay: then it is as before, and closed where somebody else had closed it.
    """
    with _asking(address) as ask:
        if not disconnect:
            _require_nobody(address, _staying(ask))  # nothing is closed where somebody works
        was_open = not _mark(ask)
        if was_open:
            kept = _KEPT if f"{_READS}=on" in _settings(ask) else ""
            ask(
                _ALTER.format(f"SET {_MARK} = ''{mark}{kept}''")
            )  # first: what is closed without it would stay so
        ask(_ALTER.format(f"SET {_READS} = on"))
        if disconnect:
            _cut_off(ask)
        there = _staying(ask)
    if there and was_open:
        open_again(address)
    _require_nobody(address, there)
    return was_open


def open_again(address: Address) -> None:
    """Let all write again; nothing happens where `close` did not close. Raises Unreachable."""
    with _asking(address) as ask:
        if mark := _mark(ask):
            if not mark.endswith(_KEPT):
                ask(_ALTER.format(f"RESET {_READS}"))
            ask(_ALTER.format(f"RESET {_MARK}"))


def _cut_off(ask: Ask) -> None:
    for _ in range(_LOOKS):
        if not ask(_CUT_OFF):
            return
        ask(_WAIT)


def _settings(ask: Ask) -> list[str]:
    return [str(each[0]) for each in ask(_SETTINGS)]


def _mark(ask: Ask) -> str:
    found = [each.partition("=")[2] for each in _settings(ask) if each.startswith(f"{_MARK}=")]
    return found[0] if found else ""


def _connected(ask: Ask) -> list[str]:
    return [
        f"{user} in {database}{f' ({application})' if application else ''}, process {pid}"
        for pid, user, database, application in ask(_CONNECTED)
    ]


def _staying(ask: Ask) -> list[str]:
    """Return who is connected, and still is a second later: a session that has ended is listed for a moment."""
    there = _connected(ask)
    for _ in range(_ENDING):
        if not there:
            break
        ask(_WAIT)
        there = _connected(ask)
    return there


def _require_nobody(address: Address, there: Sequence[str]) -> None:
    if there:
        raise Busy(
            f"{address} is in use",
            because=f"what they write from now on would be lost: {listed(there, separator='; ')}",
            try_="stop what writes, or cut it off with --disconnect",
        )


@contextmanager
def _asking(address: Address) -> Iterator[Ask]:
    """Yield what asks the server, as whoever may close the database. Raises Unreachable."""
    who = address.reached_as(address.admin) if address.admin else address
    with closing(open_connection(who)) as connection:
        rows = asking(connection)

        def ask(text: str) -> Sequence[Sequence[object]]:
            with translate_errors("keeping writes out of a database, or letting them in"):
                if text.startswith("DO"):
                    run(connection, text)
                    return []
                return rows(text)

        yield ask
