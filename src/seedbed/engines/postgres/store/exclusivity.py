"""Whether a session is ours alone: what a pooler between us and the server would fake is found out here.

Nobody comes here who is connected to the server itself: see `advisory_lock.try_lock`.
"""

from __future__ import annotations

from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import generators

from seedbed.engines.postgres.address import Address
from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.engines.postgres.wire.connection import open_connection, pins
from seedbed.engines.postgres.wire.messages import send
from seedbed.errors import LeaseNotExclusive

if TYPE_CHECKING:
    from psycopg import Connection

_SERVER_PROCESS = "SELECT pg_catalog.pg_backend_pid()"
# Names of the settings that do not stand where RESET would put them back to what we want.
_NOT_ARRIVED = """
SELECT pg_catalog.string_agg(name, ', ' ORDER BY name) FROM pg_catalog.pg_settings
WHERE name OPERATOR(pg_catalog.=) ANY (ARRAY[{names}]) AND (setting OPERATOR(pg_catalog.=) reset_val) IS NOT TRUE
"""
_PATIENCE = 5.0  # seconds that a pooler has for an answer
_LAPS = 50  # short transactions, so that a pool that takes turns comes round to every session that it has


def require_exclusive(connection: Connection[tuple[Any, ...]], address: Address) -> None:
    """Raise LeaseNotExclusive unless our session is ours alone and has the settings that we asked for.

    A direct connection tells the same process number in its start-up and in `pg_backend_pid()`: then `try_lock`
    has no doubt. Where they differ something stands between: a pool in session mode may stay, if it handed
    our settings on.
    """
    if _is_shared(connection, address):
        raise LeaseNotExclusive(
            f"the connection to {address} goes through a pooler in transaction mode",
            because="it lends one server session to several clients, so a lock taken there protects nothing",
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
        "a connection pooler stands before the server, and seedbed cannot verify that its session is exclusive",
        because=because,
        try_="connect to PostgreSQL itself",
    )


def _not_arrived(connection: Connection[tuple[Any, ...]], address: Address) -> str:
    """Return the names of settings that RESET would not bring to what we want; the server compares."""
    wanted = pins(address)
    sets = ", ".join(
        f"pg_catalog.set_config({quoted_text(name)}, {quoted_text(value)}, true)"
        for name, value in wanted.items()
    )
    names = ", ".join(map(quoted_text, wanted))
    answers = list(send(connection, f"BEGIN; SELECT {sets}; {_NOT_ARRIVED.format(names=names)}; ROLLBACK"))
    return answers[2].value
