"""Where a database is, and what another login on its server can read of it. Reads the catalogue only."""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.libpq import Query
from seedbed.model.ownership import Place

# A server is told by the microsecond in which it started: copies of one have the same system identifier, which a login
# may not be allowed to read, besides. As text: a driver would make a number of it, which is not the one that was sent.
_PLACE = """\
SELECT extract(epoch FROM pg_catalog.pg_postmaster_start_time())::pg_catalog.text, pg_catalog.current_database(),
       current_user, pg_catalog.current_schema()"""
_READABLE = """\
SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_roles r
WHERE r.rolname = {login} AND has_database_privilege(r.oid, current_database(), 'CONNECT')
AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
AND n.nspname NOT IN ('information_schema', {history}) AND {area}
AND has_schema_privilege(r.oid, n.oid, 'USAGE')
AND (has_table_privilege(r.oid, c.oid, 'SELECT') OR has_any_column_privilege(r.oid, c.oid, 'SELECT'))
AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
) ORDER BY 1"""


def place(query: Query) -> Place:
    """Return where the database is. Raises QueryFailed."""
    ((server, name, login, area),) = query(_PLACE)
    return Place(server or "", name or "", login or "", area or "")


def readable(query: Query, other: Place, own: Place, history: str) -> Sequence[str]:
    """Return the tables that the login of `other` can read, as they are named without `public`. Raises QueryFailed."""
    area = f"n.nspname = {quoted_text(own.area)}" if other.name == own.name else "true"
    text = _READABLE.format(login=quoted_text(other.login), history=quoted_text(history), area=area)
    return [row[0] or "" for row in query(f"{OWN_PATH}; {text}")]
