"""How many rows each table has: counted, because what the planner knows of a copy is nothing."""

from __future__ import annotations

from collections.abc import Mapping

from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.engines.postgres.session import PostgresSession

_MOST = 10_000  # tables
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) AS quoted, n.nspname || '.' || c.relname AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> %s AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY 2
"""


def counts(session: PostgresSession) -> Mapping[str, int]:
    """Return the rows of each table outside of seedbed's own schema, by `schema.table`. Raises StepFailed."""
    tables = session.rows(_TABLES.replace("%s", quoted_text(session.address.history_schema)), _MOST)
    found = {}
    for each in tables:
        found[str(each["name"])] = int(session.number(f"SELECT count(*) FROM {each['quoted']}"))
    return found
