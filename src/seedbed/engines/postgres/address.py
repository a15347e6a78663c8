"""Connection settings of a PostgreSQL target -> where it is, with what credentials, over what kind of line. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

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
    Variable("DB_PAUSES", "pauses", help="minutes without a connection after which the server falls asleep"),
    Variable("DB_READER", "reader", help="host name of readers, for services; seedbed reads what it writes"),
    Variable("DB_ADMIN_USER", "admin_user", help="makes the logins of seedbed and of the application"),
    Variable("DB_ADMIN_PASSWORD", "admin_password", secret=True),
    Variable("DB_APP_USER", "app_user", help="the application's login, which the administrator makes"),
    Variable("DB_APP_PASSWORD", "app_password", secret=True),
)
NAME_BYTES = 63  # of a name, as the server keeps it
# Amazon RDS, Aurora included. Its authorities are its own: no system trusts them by itself.
_RDS = re.compile(r"[\w.-]+\.rds\.amazonaws\.com(\.cn)?\.?", re.ASCII | re.IGNORECASE)
_ADMIN, _APPLICATION = ("admin_user", "admin_password"), ("app_user", "app_password")
_LOGINS = (*_ADMIN, *_APPLICATION)
_SETTINGS = {each.setting for each in VARIABLES} | {"service", "libpq"}
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SCHEMES = frozenset({"postgres", "postgresql"})
_SCHEMAS = frozenset(
    {"currentSchema", "schema", "search_path"}
)  # parameters that say which schemas names mean
# What people put into a URL's query beside these; anything else there may be a piece of a badly encoded password.
_OTHER_PARAMETERS = frozenset(
    {
        "application_name",
        "channel_binding",
        "connect_timeout",
        "currentSchema",
        "gssencmode",
        "options",
        "pgbouncer",
    }
    | {"schema", "search_path", "sslcert", "sslkey", "sslpassword", "target_session_attrs"}
)


class Login(Struct, frozen=True):
    """A role of the server's, and its password."""

    user: str
    password: Secret


class Address(Struct, frozen=True):
    """Where a database is. `host` may be a socket directory.

    `uses_libpq`: libpq fills the gaps from PG* variables and service files; `service`: from that service. Only
    where the manifest asks for one of them may `host`, `user` and `name` be empty, `port` 0, and `sslmode` empty:
    then `safe_sslmode` decides about what libpq found. `pauses`: minutes without a connection after which the server
    falls asleep, 0 where it never does. `application`: `user` is seedbed's own login then, and owns all. With `admin`
    as well, seedbed makes these two logins as that one, and `extensions` with them; without it they are there already.
    """

    host: str = ""
    port: int = 5432
    user: str = ""
    name: str = ""
    password: Secret | None = None
    sslmode: str = "prefer"
    sslrootcert: str = ""
    service: str = ""
    uses_libpq: bool = False
    search_path: tuple[str, ...] = ()
    history_schema: str = "seedbed"
    lock_timeout: str = "5s"
    lock_retries: int = 10
    statement_timeout: str = "0"
    pauses: int = 0
    admin: Login | None = None
    application: Login | None = None
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.service:
            return f"service {self.service}"
        if self.uses_libpq:
            return f"{self.name or 'database'} as libpq finds it"
        return f"{self.user}@{self.host}:{self.port}/{self.name}"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        logins = [each.password for each in (self.admin, self.application) if each]
        return (*([self.password] if self.password else []), *logins)

    def reached_as(self, login: Login) -> Address:
        """Return the address of the same database for another login, which makes none."""
        return replace(self, user=login.user, password=login.password, admin=None, application=None)


def address(settings: Mapping[str, str | Secret], options: object) -> Address:
    """Return the address that `settings` describe. Raises UsageError naming what is wrong, never showing a secret."""
    plain = {key: value.reveal() if isinstance(value, Secret) else value for key, value in settings.items()}
    unknown = sorted(set(plain) - _SETTINGS)
    if unknown:
        raise UsageError(
            f"{unknown[0]!r} says nothing about a PostgreSQL target",
            because=f"it accepts {', '.join(sorted(_SETTINGS))}",
            try_="correct the key in the environment's targets table",
        )
    _require_expressible(plain)
    if url := plain.pop("url", ""):
        plain = _from_url(url, plain)
    service, uses_libpq = plain.get("service", ""), _yes(plain.get("libpq", ""))
    asks_libpq = uses_libpq or bool(service)
    if not asks_libpq:
        _require_complete(plain)
    admin, application = _logins(plain, getattr(options, "history_schema", "seedbed"), asks_libpq=asks_libpq)
    return Address(
        admin=admin,
        application=application,
        host=plain.get("host", ""),
        port=_port(plain.get("port", ""), otherwise=0 if asks_libpq else 5432),
        user=plain.get("user", ""),
        name=plain.get("name", ""),
        password=Secret(plain["password"]) if plain.get("password") else None,
        sslmode=_sslmode(plain, asks_libpq=asks_libpq),
        sslrootcert=plain.get("sslrootcert", ""),
        service=service,
        uses_libpq=uses_libpq,
        pauses=_minutes(plain.get("pauses", "")),
        **_settings(options),
    )


def _require_expressible(settings: Mapping[str, str]) -> None:
    """Raise UsageError for what no connection could carry; the value itself is not shown."""
    for setting, value in settings.items():
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise UsageError(
                f"{_variable(setting)} holds what is not text",
                because="it has a NUL, or bytes that are not UTF-8",
                try_="look how it was written there",
            )


def _require_complete(settings: Mapping[str, str]) -> None:
    """Raise UsageError naming all that is missing: libpq would take this machine and our own user's name."""
    missing = [_variable(setting) for setting in ("host", "user", "name") if not settings.get(setting)]
    if missing:
        raise UsageError(
            f"the address of a PostgreSQL target is incomplete: {', '.join(missing)}",
            because="seedbed never guesses, and never falls back to this machine",
            try_="set what is missing, or write it into the environment's targets table",
        )


def _variable(setting: str) -> str:
    return next((each.name for each in VARIABLES if each.setting == setting), setting)


def _yes(text: str) -> bool:
    if text in {"true", "false", ""}:
        return text == "true"
    raise UsageError(
        f"libpq = {text!r} is neither true nor false",
        because="it decides whether PG* variables and service files count",
        try_='libpq = "true", or leave it out',
    )


def _settings(options: object) -> dict[str, Any]:
    names = (
        "search_path",
        "history_schema",
        "lock_timeout",
        "lock_retries",
        "statement_timeout",
        "extensions",
    )
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def _logins(
    settings: Mapping[str, str], history_schema: str, *, asks_libpq: bool
) -> tuple[Login | None, Login | None]:
    """Return the administrator's login and the application's, None for one that is not given.

    Raises UsageError for an administrator's without the application's, and for names that cannot be those of several
    logins.
    """
    given = [setting for setting in _LOGINS if settings.get(setting)]
    if not given:
        return None, None
    wanted = _LOGINS if set(given) & set(_ADMIN) else _APPLICATION
    missing = [_variable(setting) for setting in wanted if setting not in given]
    if missing or asks_libpq or not settings.get("password"):
        raise UsageError(
            f"the logins of a PostgreSQL target are incomplete: {', '.join(missing) or 'DB_USER, DB_PASSWORD'}",
            because="seedbed makes its own login and the application's with the administrator's, and needs all three",
            try_="set what is missing; DB_APP_* alone where these logins are made already, or none of them",
        )
    logins = {
        each: Login(settings[f"{each}_user"], Secret(settings[f"{each}_password"]))
        for each in ("admin", "app")
        if f"{each}_user" in wanted
    }
    _require_different([settings["user"], *(each.user for each in logins.values())], history_schema)
    return logins.get("admin"), logins["app"]


def _require_different(users: Sequence[str], history_schema: str) -> None:
    what = because = ""
    if len(set(users)) < len(users):
        what = "DB_USER, DB_ADMIN_USER and DB_APP_USER name one login twice"
        because = "each of them has rights of its own"
    elif history_schema in users:
        what = f"the history's schema {history_schema} has the name of a login"
        because = 'with the usual search_path, `"$user", public`, unqualified names would lead into it'
    elif long := [each for each in users if len(each.encode()) > NAME_BYTES]:
        what, because = f"{long[0]} is too long for a login", f"PostgreSQL keeps {NAME_BYTES} bytes of a name"
    if what:
        raise UsageError(what, because=because, try_="the usual names are DATABASE_migrate and DATABASE_app")


def _port(text: str, *, otherwise: int) -> int:
    if not text:
        return otherwise
    if not text.isascii() or not text.isdigit() or len(text) > 5 or not 0 < int(text) < 65536:
        raise UsageError("DB_PORT is not a port", because=f"it reads {text!r}", try_="a number such as 5432")
    return int(text)


def _minutes(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 6):
        raise UsageError(
            f"DB_PAUSES is no number of minutes: {text!r}",
            because="it says after how long without a connection the server falls asleep",
            try_="a number such as 10, or leave it out",
        )
    return int(text or 0)


def _sslmode(settings: Mapping[str, str], *, asks_libpq: bool) -> str:
    """Return the mode: verify-full with a CA bundle, at least require off this machine; empty: libpq may say."""
    asked, host = settings.get("sslmode", ""), settings.get("host", "")
    if asked and asked not in _SSL_MODES:
        raise UsageError(
            f"there is no sslmode {asked!r}", because=f"libpq knows {', '.join(_SSL_MODES)}", try_="require"
        )
    if asks_libpq and not host:
        return asked
    mode = safe_sslmode(asked, host, settings.get("sslrootcert", ""))
    if asked and _SSL_MODES.index(asked) < _SSL_MODES.index("require") == _SSL_MODES.index(mode):
        raise UsageError(
            f"sslmode={asked} would send the password over the network in the clear",
            because=f"{host} is not this machine",
            try_="sslmode=require, or name a CA bundle in DB_SSLROOTCERT",
        )
    return mode


def safe_sslmode(asked: str, host: str, sslrootcert: str) -> str:
    """Return `asked`, or what is needed at least: verify-full with a CA bundle, require off this machine.

    Amazon RDS is verified unless something else is asked for.
    """
    if sslrootcert or (is_rds(host) and not asked):
        return "verify-full"
    if is_this_machine(host):
        return asked or "prefer"
    return max(asked or "require", "require", key=_SSL_MODES.index)


def is_rds(host: str) -> bool:
    """Return whether `host` is a name that Amazon RDS gave."""
    return bool(_RDS.fullmatch(host))


def is_this_machine(host: str) -> bool:
    """Return whether `host` is a socket directory or a loopback address, or a list of nothing else."""
    return all(_is_loopback(each.strip()) for each in host.split(","))


def _is_loopback(host: str) -> bool:
    if host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name; `127.evil.example` is one, too
        return False


def _from_url(url: str, others: Mapping[str, str]) -> dict[str, str]:
    """Return the settings inside `url`. Its text never enters a message: it carries the password."""
    clash = sorted(
        {"host", "port", "user", "password", "name"} & {key for key, value in others.items() if value}
    )
    if clash:
        raise UsageError(
            f"the database's URL and its {clash[0]} are both given",
            because="they could contradict each other",
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
        if parts.scheme in _SCHEMES and "," in parts.netloc.rpartition("@")[2]:
            raise _several_hosts()
        port = parts.port
        if parts.scheme not in _SCHEMES or "#" in url:
            raise _unreadable()
        if parts.path in {"", "/"} and "@" not in parts.query:
            raise _without_name()
        if not re.fullmatch(r"/[^/@]+", parts.path):
            raise _unreadable()  # a `/` or `@` there may well be the rest of a password
        pairs = parse_qsl(parts.query, strict_parsing=True, errors="strict") if parts.query else []
        query = dict(pairs)
        found = {
            **others,
            # Not `parts.hostname`: that one is in lower case, and a socket's directory is not.
            "host": query.pop("host", "") or _decoded(_host(parts.netloc)),
            "port": str(port or query.pop("port", "")),
            "user": _decoded(parts.username) or query.pop("user", ""),
            "name": _decoded(parts.path[1:]),
        }
        password = _decoded(parts.password) or query.pop("password", "")
    except ValueError:
        raise _unreadable() from None
    return _with_query({**found, "password": password} if password else found, query)


def _unreadable() -> UsageError:
    return UsageError(
        "the database's URL cannot be read",
        because="it has to look like postgresql://user:password@host:5432/name",
        try_="encode @ : / ? # % in the password, or use DB_HOST, DB_USER, DB_PASSWORD and DB_NAME",
    )


def _several_hosts() -> UsageError:
    return UsageError(
        "the database's URL names several hosts",
        because="a run holds its lease on one server, and that has to be the one that takes writes",
        try_="the primary alone, or a name that always leads to it",
    )


def _without_name() -> UsageError:
    return UsageError(
        "the database's URL names no database",
        because="seedbed never guesses, and never takes the user's name for it",
        try_="postgresql://user:password@host:5432/name",
    )


def _host(netloc: str) -> str:
    """Return the host of `user:password@host:port`, its letters as they were written; `[::1]` without brackets."""
    place = netloc.rpartition("@")[2]
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.partition(":")[0]


def _decoded(text: str | None) -> str:
    return unquote(text or "", errors="strict")


def _with_query(found: dict[str, str], query: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(query) - {"sslmode", "sslrootcert"})
    if unknown:
        named = next((each for each in unknown if each in _OTHER_PARAMETERS), "something")
        raise UsageError(
            f"the database's URL sets {named}, which seedbed does not accept in a URL",
            because="session settings are seedbed's own, so that every run has the same ones",
            try_='leave it out, and name the schemas in the manifest: search_path = ["app"] in [services.….postgres]'
            if named in _SCHEMAS
            else 'leave it out, or use a service file (`service = "…"` in the environment\'s targets)',
        )
    if not found["host"]:
        raise UsageError(
            "the database's URL names no host",
            because="seedbed never falls back to this machine",
            try_="postgresql://user@host:5432/name",
        )
    given = {**found, **query}
    _require_expressible(given)
    return given
