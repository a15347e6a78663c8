"""How many rows reverts would remove, asked of the database; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.engines.postgres.files.quoting import quoted_name, quoted_text
from seedbed.engines.postgres.rules.removals import Removal, RemovalKind, removals
from seedbed.engines.postgres.wire.libpq import Query
from seedbed.model.migration import Work
from seedbed.model.plan import Certainty, Loss

COUNTED = 1_000_000  # rows of a table that are counted one by one; of a larger one the statistics tell

_FOUND = """\
SELECT n.nspname, c.relname, c.reltuples::bigint FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND {condition}
ORDER BY pg_catalog.pg_table_is_visible(c.oid) DESC, n.nspname, c.relname"""
_OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"


def losses(query: Query, works: Sequence[Work]) -> list[Loss]:
    """Return what `works` would remove. Raises QueryFailed."""
    return [
        loss
        for work in works
        if not work.migration.path.endswith(".py")
        for step in work.migration.steps(work.direction)
        for removal in removals(step.body)
        for loss in _counted(query, work.migration.version, removal)
    ]


def _counted(query: Query, version: str, removal: Removal) -> Iterator[Loss]:
    if removal.kind is RemovalKind.UNKNOWN:
        yield Loss(version, "code in DO or CALL", None)
        return
    for schema, table, expected in _tables(query, removal):
        what = ".".join(filter(None, (*removal.names, removal.column)))
        if removal.kind is RemovalKind.SCHEMA:
            what = f"{schema}.{table}"
        rows, certainty = _rows(query, quoted_name(schema, table), expected, removal.column)
        if removal.kind is RemovalKind.SOME_ROWS:
            certainty = Certainty.AT_MOST
        if rows:
            yield Loss(version, f"{'column' if removal.column else 'table'} {what}", rows, certainty)


def _tables(query: Query, removal: Removal) -> Iterator[tuple[str, str, int]]:
    """Yield schema and name of the tables that are meant, and how many rows the statistics say they have."""
    *schema, name = removal.names
    if removal.kind is RemovalKind.SCHEMA:
        condition = f"n.nspname = {quoted_text(name)}"
    elif schema:
        condition = f"c.relname = {quoted_text(name)} AND n.nspname = {quoted_text(schema[0])}"
    else:
        condition = f"c.relname = {quoted_text(name)} AND {_OURS}"
    found = query(_FOUND.format(condition=condition))
    for each in found if removal.kind is RemovalKind.SCHEMA else found[:1]:
        yield str(each[0]), str(each[1]), int(each[2] or 0)


def _rows(query: Query, table: str, expected: int, column: str) -> tuple[int, Certainty]:
    if expected > COUNTED:
        return expected, Certainty.AT_MOST if column else Certainty.ABOUT
    condition = f" WHERE {quoted_name(column)} IS NOT NULL" if column else ""
    counted = f"SELECT 1 FROM {table}{condition} LIMIT {COUNTED + 1}"
    ((rows,),) = query(f"SELECT pg_catalog.count(*) FROM ({counted}) AS counted")
    number = int(rows or 0)
    return (COUNTED, Certainty.AT_LEAST) if number > COUNTED else (number, Certainty.EXACT)
