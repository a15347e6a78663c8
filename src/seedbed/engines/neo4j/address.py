"""Connection settings of a Neo4j target -> where it is, over what kind of line, with what credentials. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from seedbed.engines.base import Variable
from seedbed.errors import UsageError
from seedbed.model.secret import Secret

VARIABLES = (
    Variable("NEO4J_URI", "uri", required=True, help="neo4j+s://host, bolt://host:port, …"),
    Variable("NEO4J_USERNAME", "user", help="needed unless authentication is disabled on the server"),
    Variable("NEO4J_PASSWORD", "password", secret=True),
    Variable("NEO4J_DATABASE", "database", help="default: `neo4j`"),
)
DATABASE = "neo4j"
_SETTINGS = tuple(each.setting for each in VARIABLES)
_PORT = 7687
_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
# A dot is allowed: it is how composite databases are named; Neo4j allows no others.
_DATABASE = re.compile(r"[a-zA-Z][a-zA-Z0-9.-]{2,62}")


class Address(Struct, frozen=True):
    """Where a database is, and the options that how to work there depends on. `user` empty: no login."""

    uri: str
    user: str = ""
    password: Secret | None = None
    database: str = DATABASE
    lease_seconds: float = 20.0
    transaction_seconds: float = 0.0
    snapshot: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.uri} database {self.database}"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (self.password,) if self.password else ()


def address(settings: Mapping[str, str | Secret], options: object) -> Address:
    """Return the address that `settings` describe. Raises UsageError naming what is wrong, never showing a secret."""
    plain = {key: value.reveal() if isinstance(value, Secret) else value for key, value in settings.items()}
    unknown = sorted(set(plain) - set(_SETTINGS))
    if unknown:
        raise UsageError(
            f"{unknown[0]!r} is not a setting of a Neo4j target",
            because=f"it accepts {', '.join(sorted(_SETTINGS))}",
            try_="correct the key in the environment's targets table",
        )
    user, password = plain.get("user", ""), plain.get("password", "")
    _require_whole_login(user, password)
    uri = _uri(plain.get("uri", ""), has_password=bool(password))
    return Address(
        uri=uri,
        user=user,
        password=Secret(password) if password else None,
        database=_database(plain.get("database", "")),
        **_settings(options),
    )


def _settings(options: object) -> dict[str, Any]:
    names = ("lease_seconds", "transaction_seconds", "snapshot")
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def _require_whole_login(user: str, password: str) -> None:
    if bool(user) == bool(password):
        return
    given, missing = ("NEO4J_USERNAME", "NEO4J_PASSWORD") if user else ("NEO4J_PASSWORD", "NEO4J_USERNAME")
    raise UsageError(
        f"{given} is set and {missing} is not",
        because="a login needs both",
        try_="set both, or neither where authentication is disabled",
    )


def _uri(text: str, *, has_password: bool) -> str:
    """Return the URI with its port. Raises UsageError without showing what may be a password in it."""
    if not text:
        raise UsageError(
            "a Neo4j target needs a URI",
            because="NEO4J_URI is not set",
            try_="NEO4J_URI=neo4j+s://host:7687",
        )
    parts, port = _split(text)
    if parts.scheme not in _SCHEMES:
        raise UsageError(
            f"{parts.scheme!r} is not a scheme of Neo4j",
            because=f"NEO4J_URI begins with one of {', '.join(f'{each}://' for each in _SCHEMES)}",
            try_="neo4j+s:// is a cluster or Aura, bolt+s:// one server; without the s, it is not encrypted",
        )
    host = parts.hostname or ""
    if has_password and parts.scheme in {"bolt", "neo4j"} and not _is_local(host):
        raise UsageError(
            f"the password would be sent to {host} unencrypted",
            because=f"{parts.scheme}:// has no TLS",
            try_=f"{parts.scheme}+s://, or {parts.scheme}+ssc:// for a self-signed certificate",
        )
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}:{port}{parts.query and '?' + parts.query}"


def _split(text: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(text)
        port = parts.port if parts.port is not None else _PORT
        is_good = bool(parts.scheme and parts.hostname) and port > 0
    except ValueError:
        parts, port, is_good = urlsplit(""), 0, False
    is_odd = any(each.isspace() or not each.isprintable() or ord(each) > 126 for each in text)
    if not is_good or is_odd or parts.username or parts.password or parts.fragment or parts.path.strip("/"):
        raise UsageError(
            "NEO4J_URI is not a URI of a Neo4j server",
            because="it has to look like neo4j+s://host:7687; user, password and database are not part of it",
            try_="NEO4J_USERNAME, NEO4J_PASSWORD and NEO4J_DATABASE carry those",
        )
    return parts, port


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _database(text: str) -> str:
    """Return the database's name as Neo4j keeps it: in lower case."""
    if not text:
        return DATABASE
    if not _DATABASE.fullmatch(text):
        raise UsageError(
            f"{text!r} is not a name of a Neo4j database",
            because="a name has 3 to 63 letters, digits, dots and dashes, and begins with a letter",
            try_="correct NEO4J_DATABASE",
        )
    if text.lower() == "system":
        raise UsageError(
            "`system` cannot be migrated",
            because="it holds Neo4j's own users and databases",
            try_="correct NEO4J_DATABASE",
        )
    return text.lower()
