"""What to do about an error that a statement met, where the server's own words do not say it."""

from __future__ import annotations

import re

from seedbed.engines.postgres.rules import extensions

# The tables in which other tools keep their history: a file that was theirs may name one.
_OTHERS_HISTORY = re.compile(
    r'"(?:[^"]*\.)?(schema_migrations|flyway_schema_history|goose_db_version|alembic_version|__diesel_schema_migrations'
    r'|databasechangelog(?:lock)?|schema_version)"'
)
_UNDEFINED_TABLE = "42P01"
_BY_STATE = {
    "2D000": "what commits by itself runs outside of a transaction, and in no block with EXCEPTION:"
    " -- migrate:up transaction:false",
    "25001": "it runs outside of a transaction only: -- migrate:up transaction:false",
    "55P04": "use the new value in the next migration: it counts once this one has committed",
    "57014": "the statement ran into its statement_timeout: -- seedbed: statement_timeout=10min",
}


def advice(sqlstate: str, message: str, *, is_transient: bool = False) -> str:
    """Return what to try; `is_transient`: a lock was waited for in vain."""
    if about_extension := extensions.advice(message):
        return about_extension
    if is_transient:
        return "find who holds the lock (pg_stat_activity), or give it longer: -- seedbed: lock_timeout=30s"
    if sqlstate == _UNDEFINED_TABLE and (found := _OTHERS_HISTORY.search(message)):
        return f"leave the statement out: {found[1]} is the history of another tool, and seedbed has its own"
    return _BY_STATE.get(sqlstate, "fix the migration and run the same command again")
