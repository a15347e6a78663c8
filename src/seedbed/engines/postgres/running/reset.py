"""Empty a database: drop its schemas, its extensions and seedbed's history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.driver import own_rows
from seedbed.engines.postgres.wire.messages import run

if TYPE_CHECKING:
    from psycopg import Connection

# What lives beside the schemas comes first: event triggers would fire on the drops that follow. What belongs to
# an extension goes with it, and could not be dropped by itself.
_OBJECTS = """
SELECT 1, 'EVENT TRIGGER', evtname FROM pg_event_trigger AS e
       WHERE NOT EXISTS (SELECT FROM pg_depend AS d
                         WHERE d.classid = e.tableoid AND d.objid = e.oid AND d.deptype = 'e')
UNION ALL SELECT 2, 'PUBLICATION', pubname FROM pg_publication
UNION ALL SELECT 3, 'EXTENSION', extname FROM pg_extension WHERE extname <> 'plpgsql'
UNION ALL SELECT 4, 'FOREIGN DATA WRAPPER', fdwname FROM pg_foreign_data_wrapper
UNION ALL SELECT 5, 'SCHEMA', nspname FROM pg_namespace
          WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
ORDER BY 1, 3
"""
_LARGE_OBJECTS = "SELECT lo_unlink(oid) FROM pg_largeobject_metadata"
_PUBLIC = (
    "CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC; "
    "COMMENT ON SCHEMA public IS 'standard public schema'"
)


def reset(connection: Connection[tuple[Any, ...]]) -> str:
    """Drop everything in one transaction and give back an empty `public`; return what went, in words."""
    found = [(kind, name) for _, kind, name in own_rows(connection, _OBJECTS)]
    drops = [f"DROP {kind} IF EXISTS {sql.Identifier(name).as_string()} CASCADE" for kind, name in found]
    run(connection, "; ".join(["BEGIN", OWN_PATH, *drops, _LARGE_OBJECTS, _PUBLIC, "COMMIT"]))
    schemas = [name for kind, name in found if kind == "SCHEMA"]
    return f"{len(schemas)} schemas ({', '.join(schemas)})" if schemas else "nothing was there"
