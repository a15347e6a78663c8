"""Facts about a PostgreSQL target -> where it is, with what credentials, over what kind of line. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from seedbed.engines.base import Variable
from seedbed.errors import UsageError
from seedbed.model.secret import Secret

VARIABLES = (
    Variable(
        "DB_HOST", "host", required=True, unless=("url", "service", "libpq"), help="host name or socket"
    ),
    Variable("DB_PORT", "port", help="5432 where it is not said"),
    Variable("DB_USER", "user", required=True, unless=("url", "service", "libpq")),
    Variable("DB_PASSWORD", "password", required=True, secret=True, unless=("url", "service", "libpq")),
    Variable("DB_NAME", "name", required=True, unless=("url", "service", "libpq")),
    Variable("DB_URL", "url", secret=True, help="all of the above in one, instead of them"),
    Variable("DB_SSLMODE", "sslmode", help="at least `require` off this machine"),
    Variable("DB_SSLROOTCERT", "sslrootcert", help="CA bundle; with it the server's name is verified"),
)
_FACTS = {each.fact for each in VARIABLES} | {"service", "libpq"}
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is. `host` may be a socket directory. `uses_libpq`: gaps are filled by libpq itself
    from PG* variables and service files, because the manifest asked for it."""

    host: str = ""
    port: int = 5432
    user: str = ""
    name: str = ""
    password: Secret | None = field(default=None, repr=False)
    sslmode: str = "prefer"
    sslrootcert: str = ""
    service: str = ""
    uses_libpq: bool = False
    schema: str = "public"
    history_schema: str = "seedbed"
    lock_timeout: str = "5s"
    lock_retries: int = 10
    statement_timeout: str = "0"

    def __str__(self) -> str:
        if self.service:
            return f"service {self.service}"
        if self.uses_libpq:
            return f"{self.name or 'database'} as libpq finds it"
        return f"{self.user}@{self.host}:{self.port}/{self.name}"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (self.password,) if self.password else ()


def address(facts: Mapping[str, str | Secret], options: object) -> Address:
    """Return the address that `facts` describe. Raises UsageError naming what is wrong, never showing a secret."""
    plain = {key: value.reveal() if isinstance(value, Secret) else value for key, value in facts.items()}
    unknown = sorted(set(plain) - _FACTS)
    if unknown:
        raise UsageError(
            f"{unknown[0]!r} says nothing about a PostgreSQL target",
            because=f"the facts it has are {', '.join(sorted(_FACTS))}",
            try_="correct the key in the environment's targets table",
        )
    if url := plain.pop("url", ""):
        plain = _from_url(url, plain)
    service, uses_libpq = plain.get("service", ""), plain.get("libpq", "") == "true"
    host = plain.get("host", "")
    return Address(
        host=host,
        port=_port(plain.get("port", "")),
        user=plain.get("user", ""),
        name=plain.get("name", ""),
        password=Secret(plain["password"]) if "password" in plain else None,
        sslmode=_sslmode(host, plain, asked_libpq=bool(service) or uses_libpq),
        sslrootcert=plain.get("sslrootcert", ""),
        service=service,
        uses_libpq=uses_libpq or bool(service),
        **_settings(options),
    )


def _settings(options: object) -> dict[str, Any]:
    names = ("schema", "history_schema", "lock_timeout", "lock_retries", "statement_timeout")
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def _port(text: str) -> int:
    if not text:
        return 5432
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise UsageError("DB_PORT is not a port", because=f"it reads {text!r}", try_="a number such as 5432")
    return int(text)


def _sslmode(host: str, facts: Mapping[str, str], *, asked_libpq: bool) -> str:
    """Return the mode: verify-full with a CA bundle, at least require off this machine."""
    asked = facts.get("sslmode", "")
    if asked and asked not in _SSL_MODES:
        raise UsageError(
            f"there is no sslmode {asked!r}", because=f"libpq knows {', '.join(_SSL_MODES)}", try_="require"
        )
    if facts.get("sslrootcert"):
        return "verify-full"
    if is_this_machine(host) and not asked_libpq:
        return asked or "prefer"
    if asked and _SSL_MODES.index(asked) < _SSL_MODES.index("require"):
        raise UsageError(
            f"sslmode={asked} would send the password over the network in the clear",
            because=f"{host or 'the server'} is not this machine",
            try_="sslmode=require, or name a CA bundle in DB_SSLROOTCERT",
        )
    return asked or "require"


def is_this_machine(host: str) -> bool:
    """Return whether `host` is a socket directory or a loopback address."""
    return host.startswith(("/", "@", "127.")) or host in {"localhost", "::1"}


def _from_url(url: str, others: Mapping[str, str]) -> dict[str, str]:
    """Return the facts inside `url`. Its text never enters a message: it carries the password."""
    clash = sorted(
        {"host", "port", "user", "password", "name"} & {key for key, value in others.items() if value}
    )
    if clash:
        raise UsageError(
            f"the database's URL and its {clash[0]} are both given",
            because="they could disagree, and nobody could say which one is meant",
            try_="keep DB_URL, or DB_HOST, DB_USER, DB_PASSWORD and DB_NAME",
        )
    if re.search(r"%(?![0-9A-Fa-f]{2})", url):
        raise UsageError(
            "the database's URL has a % that escapes nothing",
            because="a literal % in a user name or password is written %25",
            try_="encode the password, or use DB_PASSWORD, which takes it as it is",
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = None, None
    if parts is None or parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise UsageError(
            "the database's URL cannot be read",
            because="it has to look like postgresql://user:password@host:5432/name",
            try_="encode @ : / ? # % in the password, or use DB_HOST, DB_USER, DB_PASSWORD and DB_NAME",
        ) from None
    query = dict(parse_qsl(parts.query))
    found = {
        **others,
        "host": query.pop("host", "") or unquote(parts.hostname or ""),
        "port": str(port or query.pop("port", "")),
        "user": unquote(parts.username or "") or query.pop("user", ""),
        "name": unquote(parts.path.lstrip("/")),
    }
    if parts.password is not None or "password" in query:
        found["password"] = unquote(parts.password or "") or query.pop("password", "")
    return _with_query(found, query)


def _with_query(found: dict[str, str], query: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(query) - {"sslmode", "sslrootcert"})
    if unknown:
        raise UsageError(
            f"the database's URL sets {unknown[0]!r}, which seedbed does not take from a URL",
            because="session settings are seedbed's own, so that every run has the same ones",
            try_='leave it out, or use a service file (`service = "…"` in the environment\'s targets)',
        )
    if not found["host"]:
        raise UsageError(
            "the database's URL names no host",
            because="seedbed never falls back to this machine",
            try_="postgresql://user@host:5432/name",
        )
    return {**found, **query}
