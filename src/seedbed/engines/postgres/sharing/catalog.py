"""What is on a shared server, as its catalogue and our comments there say it.

A share is written into the comments of its two logins. Those are the administrator's to make, and to change: a login
may say of its own database what it likes. They are made before the database and dropped after it, so that what is only
half there is found.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import DecodeError, Struct
from msgspec.json import decode, encode
from msgspec.structs import replace

from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.engines.postgres.sharing.names import TEMPLATE_PREFIX, shared_settings
from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.libpq import Query
from seedbed.errors import Refused
from seedbed.model.sharing import Share

_OWN_PUBLIC = 150000  # since version 15 schema public is the database owner's, and nobody else creates there
_SHARE, _TEMPLATE = "seedbed share ", "seedbed template "
_NOW = "date_part('epoch', clock_timestamp())::text"


class Found(Struct, frozen=True):
    """A database. `allows`: it accepts connections. `is_own`: settings or rights were given to it by a statement."""

    owner: str
    allows: bool
    is_own: bool


class Template(Struct, frozen=True):
    """A database that is kept as a template; `used`: when it last was, in seconds, as the server's clock has it."""

    platform: str
    database: str
    name: str
    used: float


def require_version(version: int, *, is_superuser: bool) -> None:
    """Raise Refused for a server of which an administrator without all rights could not share out the databases."""
    if version < _OWN_PUBLIC and not is_superuser:
        raise Refused(
            f"a server of PostgreSQL {version // 10000} cannot be shared with this administrator's login",
            because="before version 15, schema public is the superuser's in each database, and all may create there",
            try_="a server of version 15 or newer",
        )


def share_comment(share: Share) -> str:
    return _SHARE + encode(share).decode()


def template_comment(template: Template) -> str:
    return _TEMPLATE + encode(template).decode()


def shares(query: Query) -> list[Share]:
    """Return the shares whose login that owns the database is there, sorted."""
    found = set()
    for name, comment in _commented(query, "pg_authid", "pg_roles", "rolname", _SHARE):
        try:
            share = decode(comment.removeprefix(_SHARE), type=Share)
        except DecodeError:
            continue
        if name in shared_settings(share.environment, share.service).values():
            found.add(share)
    return sorted(found)


def templates(query: Query) -> dict[str, Template]:
    """Return what is kept whole, by the names of databases."""
    found = {}
    for name, comment in _commented(query, "pg_database", "pg_database", "datname", _TEMPLATE):
        if name.startswith(TEMPLATE_PREFIX):
            found[name] = decode(comment.removeprefix(_TEMPLATE), type=Template)
    return found


def kept(query: Query, name: str) -> Template | None:
    """Return what is kept in the database `name`, as it is used now; None where there is no such template."""
    rows = query(
        f"{OWN_PATH}; SELECT comment, {_NOW} FROM pg_database AS d, shobj_description(d.oid, 'pg_database') AS comment "
        f"WHERE datname = {quoted_text(name)} AND starts_with(comment, {quoted_text(_TEMPLATE)})"
    )
    for comment, seconds in rows:
        found = decode(str(comment).removeprefix(_TEMPLATE), type=Template)
        return replace(found, used=float(seconds or 0))
    return None


def unfinished(query: Query) -> list[str]:
    """Return the databases that are to be templates and are not yet: each is being made, or was left by a kill."""
    known = templates(query)
    prefix = quoted_text(TEMPLATE_PREFIX)
    rows = query(f"{OWN_PATH}; SELECT datname::text FROM pg_database WHERE starts_with(datname, {prefix})")
    return [str(row[0]) for row in rows if str(row[0]) not in known]


def _commented(query: Query, of: str, relation: str, name: str, prefix: str) -> list[tuple[str, str]]:
    rows = query(
        f"{OWN_PATH}; SELECT {name}::text, comment FROM {relation} AS r, "
        f"shobj_description(r.oid, '{of}') AS comment WHERE starts_with(comment, {quoted_text(prefix)})"
    )
    return [(str(row[0]), str(row[1])) for row in rows]


def roles(query: Query, names: Sequence[str]) -> dict[str, str]:
    """Return the comments of those of `names` that are roles."""
    wanted = ", ".join(map(quoted_text, names))
    rows = query(
        f"{OWN_PATH}; SELECT name, coalesce(shobj_description(oid, 'pg_authid'), '') "
        f"FROM unnest(ARRAY[{wanted}]) AS name, to_regrole(quote_ident(name)) AS oid WHERE oid IS NOT NULL"
    )
    return {str(row[0]): str(row[1]) for row in rows}


def database(query: Query, name: str, app: str = "") -> Found | None:
    """Return what the catalogue says of the database `name`; `app`: a login that may connect to it, and no more."""
    rows = query(
        f"""{OWN_PATH}; SELECT pg_get_userbyid(datdba)::text, datallowconn::text, (
            EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = d.oid)
            OR EXISTS (SELECT FROM aclexplode(datacl) WHERE grantee <> datdba AND (is_grantable
                OR privilege_type <> 'CONNECT' OR pg_get_userbyid(grantee) <> {quoted_text(app)})))::text
        FROM pg_database AS d WHERE datname = {quoted_text(name)}"""
    )
    return next((Found(str(row[0]), row[1] == "true", row[2] == "true") for row in rows), None)


def is_limited(query: Query, name: str) -> bool:
    """Return whether the database `name` takes so many sessions only."""
    rows = query(
        f"{OWN_PATH}; SELECT datname::text FROM pg_database "
        f"WHERE datname = {quoted_text(name)} AND datconnlimit >= 0"
    )
    return bool([*rows])


def leaning(query: Query, role: str) -> list[tuple[str, str]]:
    """Return the databases where `role` has something, each with its owner; "" and "" for what is in none."""
    rows = query(
        f"""{OWN_PATH}; SELECT DISTINCT coalesce(datname::text, ''), coalesce(pg_get_userbyid(datdba)::text, '')
        FROM pg_shdepend LEFT JOIN pg_database AS d ON d.oid = dbid
        WHERE refclassid = 'pg_authid'::regclass AND refobjid = (
            SELECT oid FROM pg_roles WHERE rolname = {quoted_text(role)})"""
    )
    return [(str(row[0]), str(row[1])) for row in rows]


def open_to_all(query: Query, names: Sequence[str]) -> list[str]:
    """Return those databases of `names` that every login may connect to, and that are ours to close."""
    rows = query(
        f"""{OWN_PATH}; SELECT datname::text FROM pg_database
        WHERE datname IN ({", ".join(map(quoted_text, names))}) AND pg_has_role(datdba, 'USAGE') AND EXISTS (
            SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0)"""
    )
    return [str(row[0]) for row in rows]


def now(query: Query) -> float:
    ((seconds,),) = query(f"{OWN_PATH}; SELECT {_NOW}")
    return float(seconds or 0)
