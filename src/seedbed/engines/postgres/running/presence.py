"""Which tables a database has."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.libpq import Query

# Not by to_regclass: that is refused for a schema which this login may not use.
_THERE = """\
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = ANY (ARRAY[{tables}]::name[])
AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"""


def present(query: Query, names: Sequence[str]) -> Collection[str]:
    """Return those of `names` that are tables; one without a schema may be in any. Raises QueryFailed."""
    if not names:
        return frozenset()
    tables = ", ".join(sorted({quoted_text(each.rpartition(".")[2]) for each in names}))
    rows = query(f"{OWN_PATH}; {_THERE.format(tables=tables)}")
    there = {name for schema, table in rows for name in (f"{schema}.{table}", table)}
    return [each for each in names if each in there]
