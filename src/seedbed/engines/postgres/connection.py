"""Opening a connection: libpq's own defaults kept out, session settings pinned, errors put into words."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import psycopg

from seedbed.engines.postgres.address import Address
from seedbed.errors import SeedbedError, Unreachable

if TYPE_CHECKING:
    from psycopg import Connection

MARK = "seedbed"  # application_name of a session that only reads; a lease adds its owner
CONNECT_TIMEOUT = 10  # seconds
# A server that polls its client once a second ends the statement of a killed runner by itself.
CHECK_INTERVAL = "1s"

_environment_lock = threading.Lock()
_libpq_environment: dict[str, str] | None = None


def pins(address: Address) -> dict[str, str]:
    """Return the session settings that every session starts with, whatever role or database would say.

    Given in the start-up packet, they are also what RESET ALL goes back to.
    """
    return {
        "search_path": address.schema,
        "lock_timeout": address.lock_timeout,
        "statement_timeout": address.statement_timeout,
        "idle_in_transaction_session_timeout": "0",
        "client_connection_check_interval": CHECK_INTERVAL,
        "default_transaction_isolation": "read committed",
        "default_transaction_read_only": "off",
        "standard_conforming_strings": "on",
        "check_function_bodies": "on",
        "TimeZone": "UTC",
        "DateStyle": "ISO, MDY",
        "client_encoding": "UTF8",
    }


def open_connection(address: Address) -> Connection[tuple[Any, ...]]:
    """Return an autocommitting connection with its settings pinned. Raises Unreachable."""
    keywords = _keywords(address)
    settings = " ".join(f"-c {name}={_escaped(value)}" for name, value in pins(address).items())
    try:
        return psycopg.connect(**keywords, options=settings, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise _unreachable(address, str(error)) from None


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _keywords(address: Address) -> dict[str, Any]:
    known: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "dbname": address.name,
        "password": address.password.reveal() if address.password else None,
        "sslmode": address.sslmode,
        "sslrootcert": address.sslrootcert,
        "service": address.service,
    }
    fixed = {
        "application_name": MARK,
        "connect_timeout": CONNECT_TIMEOUT,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    given = {key: value for key, value in known.items() if value}
    outside = _take_libpq_environment()
    if address.uses_libpq:
        given.pop("port") if "PGPORT" in outside or address.service else None
        return {**_from_environment(outside), **given, **fixed}
    return {**given, **fixed, "passfile": os.devnull}


def _take_libpq_environment() -> dict[str, str]:
    """Remove PG* from the process, once, and return what was there.

    libpq fills every gap from them: a stray PGHOSTADDR would send us to another server than the one that
    was named. Only an address that asks for them gets them, as explicit keywords.
    """
    global _libpq_environment  # noqa: PLW0603  one process has one environment
    with _environment_lock:
        if _libpq_environment is None:
            files = {"PGSERVICEFILE", "PGSYSCONFDIR"}  # only read when a service is asked for
            names = [name for name in os.environ if name.startswith("PG") and name not in files]
            _libpq_environment = {name: os.environ.pop(name) for name in names}
        return _libpq_environment


def _from_environment(outside: dict[str, str]) -> dict[str, str]:
    keywords = {
        each.envvar.decode(): each.keyword.decode()
        for each in psycopg.pq.Conninfo.get_defaults()
        if each.envvar
    }
    ours = {"PGAPPNAME", "PGOPTIONS"}
    return {keywords[name]: value for name, value in outside.items() if name in keywords and name not in ours}


def _unreachable(address: Address, text: str) -> SeedbedError:
    """Return libpq's complaint in our words; the caller's secrets are not in it, but may be in libpq's."""
    said = " ".join(text.split())
    for secret in address.secrets:
        said = said.replace(secret.reveal(), "********") if secret else said
    if "startup parameter" in said:
        return Unreachable(
            f"a connection pooler stands before {address} and refuses session settings",
            because=said,
            try_="connect to PostgreSQL itself: a lease needs a session of its own (port 5432, not the pooler's)",
        )
    if "password authentication failed" in said or "no password supplied" in said:
        return Unreachable(f"{address} refused the login", because=said, try_="check DB_USER and DB_PASSWORD")
    if "does not support SSL" in said:
        return Unreachable(
            f"{address} offers no TLS",
            because=said,
            try_="switch TLS on there: off this machine seedbed insists",
        )
    return Unreachable(
        f"{address} cannot be reached", because=said, try_="check DB_HOST, DB_PORT, the network and its rules"
    )
