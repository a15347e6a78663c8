"""Whether what stands under the history's names is ours: found out before any of it is read.

Whoever may create objects in a database can make a schema, a view or a trigger under the names that seedbed uses, and
a view runs its functions as whoever reads it, at the time it is planned already. So the first statement of every
message that reads the history looks into the catalogue alone, and raises where it finds what is not ours: the server
then runs nothing of what follows. It costs no round trip.
"""

from __future__ import annotations

from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.errors import Refused, SeedbedError

TABLES = ("migrations_audit", "migrations_history", "migrations_identity", "migrations_verified")

_MISSING = " is missing"
_BEGIN, _END = "<<", ">>"
_INVALID_TEXT = "22P02"

_FOUND = """
schema AS MATERIALIZED (
    SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname = {schema}
), ours AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relkind, c.relowner
    FROM schema JOIN pg_class AS c ON c.relnamespace = schema.oid WHERE c.relname IN ({tables})
)"""
# Ours: our own role's, a superuser's (who needs no detour), or that of a role whose rights we have. A superuser has
# everybody's rights, and would be the one to lose by that: for them only the first two count.
# No number looks like what is found: the cast raises an error, and the error quotes the text.
_GUARD = (
    "WITH "
    + _FOUND
    + """, owned (what, owner, is_wrong) AS (
    SELECT format('schema %I belongs to ', nspname), nspowner, false FROM schema
    UNION ALL
    SELECT format(CASE relkind WHEN 'r' THEN 'table %I' ELSE '%I is no table, and' END, relname) || ' belongs to ',
           relowner, relkind <> 'r' FROM ours
    UNION ALL
    SELECT format('trigger %I on %I calls a function of ', t.tgname, ours.relname), p.proowner, false
    FROM ours JOIN pg_trigger AS t ON t.tgrelid = ours.oid JOIN pg_proc AS p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal
), found (what) AS (
    SELECT o.what || quote_ident(pg_get_userbyid(o.owner)) FROM owned AS o
    LEFT JOIN pg_roles AS r ON r.oid = CASE o.owner WHEN 'pg_database_owner'::regrole
        THEN (SELECT d.datdba FROM pg_database AS d WHERE d.datname = current_database()) ELSE o.owner END
    WHERE o.is_wrong OR (r.rolname = current_user OR r.rolsuper
        OR current_setting('is_superuser') = 'off' AND pg_has_role(r.oid, 'USAGE')) IS NOT TRUE
    UNION ALL
    SELECT format('table %I{missing}', name) FROM unnest(ARRAY[{tables}]) AS name
    WHERE EXISTS (SELECT FROM ours) AND name NOT IN (SELECT relname FROM ours)
)
SELECT ('{begin}' || string_agg(what, '; ' ORDER BY what) || '{end}')::int4 FROM found HAVING count(*) > 0
"""
)


def guard(schema: str) -> str:
    """Return the statement that raises where what stands under our names in `schema` is not ours, or in part only.

    It is for seedbed's own search_path, and returns no row.
    """
    names = ", ".join(map(quoted_text, TABLES))
    return _GUARD.format(schema=quoted_text(schema), tables=names, missing=_MISSING, begin=_BEGIN, end=_END)


def definitions(schema: str) -> str:
    """Return the query for the versions of everything in the catalogue that is about our tables: (9, what, version)."""
    parts = (
        "SELECT 9, c.relname::text, c.xmin::text FROM schema JOIN pg_class AS c ON c.relnamespace = schema.oid",
        "SELECT 9, tgname::text, t.xmin::text FROM ours JOIN pg_trigger AS t ON t.tgrelid = ours.oid",
        "SELECT 9, rulename::text, r.xmin::text FROM ours JOIN pg_rewrite AS r ON r.ev_class = ours.oid",
        "SELECT 9, adnum::text, d.xmin::text FROM ours JOIN pg_attrdef AS d ON d.adrelid = ours.oid",
        "SELECT 9, attname::text, a.xmin::text FROM ours JOIN pg_attribute AS a ON a.attrelid = ours.oid",
    )
    names = {"schema": quoted_text(schema), "tables": ", ".join(map(quoted_text, TABLES))}
    return f"(WITH {_FOUND.format(**names)} {' UNION ALL '.join(parts)})"


def refusal(schema: str, sqlstate: str, message: str) -> SeedbedError | None:
    """Return what the guard has to say, where `message` is its own; None for any other error."""
    _, begin, rest = message.partition(_BEGIN)
    found, end, _ = rest.rpartition(_END)
    if sqlstate != _INVALID_TEXT or not begin or not end:
        return None
    if all(each.endswith(_MISSING) for each in found.split("; ")):
        return Refused(
            f"the history in schema {schema} is not whole: {found}",
            because="what is left of it would say that migrations which were applied were not",
            try_="bring the table back from a backup of this database",
        )
    return Refused(
        f"the history's schema {schema} holds what is not seedbed's own: {found}",
        because="reading it would run what its owner put there, with the rights of this login",
        try_="look who made it and drop it, log in as the role that owns it, or name another history_schema",
    )
