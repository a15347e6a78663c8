"""Opening a connection: libpq's own defaults kept out, session settings pinned, errors put into words."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeVar

from seedbed.engines.postgres.address import Address, is_rds, safe_sslmode
from seedbed.engines.postgres.files.quoting import quoted_name
from seedbed.engines.postgres.wire import libpq
from seedbed.engines.postgres.wire.libpq import PlainConnection, QueryFailed
from seedbed.errors import AccessRefused, SeedbedError, Unreachable
from seedbed.model.secret import Redactor

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")
MARK = "seedbed"  # application_name of a session that only reads; a lease adds its owner
# ~/.pgpass is libpq's own default; a path that cannot exist keeps it from being asked.
_NO_FILE = f"{os.devnull}/none"
CONNECT_TIMEOUT = 10  # seconds
WAKING = 90  # seconds: Aurora says 15 after a short sleep, more than 30 after a day
_NOT_LET_IN = re.compile(
    'password authentication failed|role ".*" does not exist|is not permitted to log in|'
    "permission denied for database"
)
# What may come from a server that wakes, or from what stands before it meanwhile.
_WAKES = re.compile(
    r"starting up|not yet accepting connections|closed the connection|Connection (refused|reset|timed out)"
    r"|timeout expired"
)
# A server that polls its client once a second ends the statement of a killed runner by itself.
CHECK_INTERVAL = "1s"
# What begins every message of ours whose names, functions and operators are not all qualified: only the server's own
# are found. Whoever may create objects could otherwise put theirs in their way. A message is one transaction.
OWN_PATH = "SET LOCAL search_path = pg_catalog, pg_temp"

_environment_lock = threading.Lock()
_libpq_environment: dict[str, str] | None = None


def pins(address: Address) -> dict[str, str]:
    """Return the session settings that every session starts with, whatever role or database would say.

    Given in the start-up packet, they are also what RESET ALL goes back to. A search_path is among them only where
    the manifest has one: otherwise it is for role and database to say, as it is for the service itself.
    """
    path = ", ".join(map(quoted_name, address.search_path))
    return {
        **({"search_path": path} if path else {}),
        "lock_timeout": address.lock_timeout,
        "statement_timeout": address.statement_timeout,
        "idle_in_transaction_session_timeout": "0",
        "idle_session_timeout": "0",  # a run waits for migrations of other databases, and holds its lease meanwhile
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
    import psycopg

    def connect() -> Connection[tuple[Any, ...]]:
        return psycopg.connect(**_keywords(address), autocommit=True, prepare_threshold=None)

    try:
        return _patiently(address, connect, psycopg.Error)
    except psycopg.Error as error:
        raise _unreachable(address, str(error)) from None


def open_plain(address: Address) -> PlainConnection | None:
    """Return the same connection without the driver; None where only the driver can connect.

    Raises Unreachable.
    """
    if not libpq.is_available():
        return None
    keywords = _keywords(address)
    if "," in f"{keywords.get('host', '')}{keywords.get('hostaddr', '')}":
        return None  # of several hosts, the driver gives each its own time
    try:
        timeout = keywords["connect_timeout"]
        return _patiently(address, lambda: PlainConnection(keywords, timeout=timeout), QueryFailed)
    except QueryFailed as error:
        raise _unreachable(address, str(error)) from None


def _patiently(address: Address, connect: Callable[[], T], failed: type[Exception]) -> T:
    """Return what `connect` returns; one that may sleep is asked again for `WAKING` seconds, unless it rejects us."""
    until = time.monotonic() + WAKING
    while True:
        try:
            return connect()
        except failed as error:
            if not address.pauses or time.monotonic() > until or not _WAKES.search(str(error)):
                raise
            time.sleep(1)


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
    settings = " ".join(f"-c {name}={_escaped(value)}" for name, value in pins(address).items())
    fixed = {
        "options": settings,
        "application_name": MARK,
        "connect_timeout": WAKING if address.pauses else CONNECT_TIMEOUT,
        "keepalives_idle": 10,  # a line that carries nothing any more is told after half a minute
        "keepalives_interval": 5,
        "keepalives_count": 4,
        "tcp_user_timeout": 30_000,  # milliseconds: keepalives say nothing while something sent waits for its receipt
    }
    given = {key: value for key, value in known.items() if value}
    outside = _take_libpq_environment()
    if not address.uses_libpq and not address.service:
        return _with_authorities({**given, **fixed, "passfile": _NO_FILE})
    found = {**_from_libpq(outside if address.uses_libpq else {}, address.service), **given}
    place = found.get("hostaddr") or found.get("host", "")
    place = found["host"] if is_rds(found.get("host", "")) else place  # by whatever address it is reached
    found["sslmode"] = safe_sslmode(found.get("sslmode", ""), place, found.get("sslrootcert", ""))
    return _with_authorities({**found, **fixed})


def _with_authorities(keywords: dict[str, Any]) -> dict[str, Any]:
    """Return `keywords` with the CA bundle of Amazon RDS where one of its servers is verified and no other is named."""
    host = str(keywords.get("host", ""))
    is_verified = str(keywords.get("sslmode", "")).startswith("verify")
    if not is_verified or keywords.get("sslrootcert") or not is_rds(host):
        return keywords
    from seedbed.engines.postgres.wire import authorities

    return {**keywords, "sslrootcert": str(authorities.bundle(host))}


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


def _from_libpq(outside: Mapping[str, str], service: str) -> dict[str, str]:
    """Return the keywords that libpq would take from PG* variables and from a service, which wins.

    We look ourselves: the sslmode is passed explicitly, so it has to be known before libpq connects.
    """
    import psycopg

    ours = {"application_name", "options"}
    names = {
        each.envvar.decode(): each.keyword.decode()
        for each in psycopg.pq.Conninfo.get_defaults()
        if each.envvar
    }
    found = {names[name]: value for name, value in outside.items() if name in names and value}
    if service := service or found.get("service", ""):
        found |= {**_of_service(service), "service": service}
    return {keyword: value for keyword, value in found.items() if keyword not in ours}


def _of_service(service: str) -> dict[str, str]:
    """Return what service files say about `service`; whatever is wrong with one, libpq says itself."""
    folder = os.environ.get("PGSYSCONFDIR", "")
    own = os.environ.get("PGSERVICEFILE") or os.path.expanduser("~/.pg_service.conf")
    for path in (own, f"{folder}/pg_service.conf"):
        with suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8") as file:
            lines = [line.strip() for line in file if line.strip() and not line.lstrip().startswith("#")]
            if f"[{service}]" in lines:
                section = lines[lines.index(f"[{service}]") + 1 :]
                pairs = [line.partition("=") for line in takewhile(lambda line: line[0] != "[", section)]
                return {key: value for key, _, value in pairs if value}
    return {}


def is_not_let_in(error: SeedbedError) -> bool:
    """Return whether the server answered, and did not let this login in: it is not there, or has another password."""
    return bool(_NOT_LET_IN.search(error.because))


def lets_in(address: Address) -> bool:
    """Return whether the server lets that login in, as far as it says: False where it refuses name or password."""
    try:
        (open_plain(address) or open_connection(address)).close()
    except (AccessRefused, Unreachable) as error:
        return not is_not_let_in(error)
    return True


def _unreachable(address: Address, text: str) -> AccessRefused | Unreachable:
    """Return libpq's complaint in our words; what it may quote of the caller's secrets is masked."""
    message = " ".join(Redactor(address.secrets)(text).split())
    for words, what, advice in _COMPLAINTS:
        if re.search(words, message):
            return AccessRefused(what.format(address=address), because=message, try_=advice)
    return Unreachable(
        f"{address} cannot be reached",
        because=message,
        try_="check DB_HOST, DB_PORT, the network and its rules",
    )


# (what libpq or the server says, what happened, what to try)
_COMPLAINTS = (
    (
        "startup parameter",
        "a connection pooler stands before {address} and refuses session settings",
        "connect to PostgreSQL itself: a lease needs a session of its own (port 5432, not the pooler's)",
    ),
    (
        "password authentication failed|no password supplied",
        "{address} refused the login",
        "check DB_USER and DB_PASSWORD",
    ),
    (
        "does not support SSL",
        "{address} offers no TLS",
        "switch TLS on there: off this machine, and with DB_SSLROOTCERT, seedbed insists",
    ),
    (
        "certificate verify failed|does not match host name",
        "{address} does not prove who it is",
        "check DB_HOST against the names in its certificate, and DB_SSLROOTCERT against who issued it",
    ),
    (
        "root certificate file",
        "the CA bundle for {address} cannot be read",
        "check DB_SSLROOTCERT: it names a file with PEM certificates",
    ),
    (
        "no pg_hba.conf entry",
        "{address} rejects connections from this host",
        "check its pg_hba.conf, DB_USER and DB_NAME",
    ),
    (
        'database ".*" does not exist',
        "{address} does not exist",
        "check DB_NAME; outside the sandbox seedbed makes no databases",
    ),
)
