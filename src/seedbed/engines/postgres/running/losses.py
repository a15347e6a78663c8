"""How many rows reverts would remove, asked of the database; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from seedbed.engines.postgres.files.quoting import quoted_name, quoted_text
from seedbed.engines.postgres.rules.removals import Removal, RemovalKind, removals
from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.libpq import Query
from seedbed.model.migration import Work
from seedbed.model.plan import Certainty, Loss

COUNTED = 1_000_000  # rows of a table that are counted one by one; of a larger one the statistics tell

_WHOLE = {RemovalKind.SCHEMA, RemovalKind.TABLE, RemovalKind.ROWS}
_BY_TYPE = {RemovalKind.TYPE, RemovalKind.EXTENSION}
_TABLE = """\
SELECT c.oid, n.nspname, c.relname, c.reltuples::bigint, {column} FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace {more}
WHERE c.relkind IN ('r', 'p', 'm') AND {condition}
ORDER BY n.nspname = ANY (current_setting('seedbed.path')::name[]) DESC, n.nspname, c.relname, {column}"""
_ON_PATH = "{schema} = ANY (current_setting('seedbed.path')::name[])"
_OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
# The tables whose foreign keys lead to one, over as many tables as it takes; {which}: of these keys only.
_REFERRING = """\
WITH RECURSIVE reached (oid) AS (
    SELECT conrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = {oid} AND {which}
    UNION
    SELECT f.conrelid FROM pg_catalog.pg_constraint f JOIN reached r ON f.confrelid = r.oid
    WHERE f.contype = 'f' AND {which}
) SELECT oid FROM reached WHERE oid <> {oid}"""
_TYPES = """\
SELECT t.oid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace s ON s.oid = t.typnamespace
WHERE t.typname = {name} AND {schema}"""
_TYPES_OF_EXTENSION = """\
SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
AND d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND e.extname = {name}"""
_COLUMNS = """\
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type u ON u.oid = a.atttypid"""


class _Found(Struct, frozen=True):
    """A table, and how many rows the statistics say it has; `column`: that one of it is meant."""

    oid: str
    schema: str
    name: str
    expected: int
    column: str = ""


def losses(query: Query, works: Sequence[Work]) -> list[Loss]:
    """Return what `works` would remove. Raises QueryFailed."""
    query = _on_own_path(query)
    meant = [
        (work.migration.version, removal, list(_tables(query, removal)))
        for work in works
        if not work.migration.path.endswith(".py")
        for step in work.migration.steps(work.direction)
        for removal in removals(step.body)
    ]
    named = {table.oid for _, removal, tables in meant if removal.kind in _WHOLE for table in tables}
    found: list[Loss] = []
    for version, removal, tables in meant:
        if removal.kind is RemovalKind.UNKNOWN:
            found.append(Loss(version, "code in DO or CALL", None))
        for table in tables:
            found += _counted(query, version, removal, table)
            if removal.kind in {RemovalKind.ROWS, RemovalKind.SOME_ROWS}:
                found += _taken_along(query, version, removal, table, named)
    return found


def _on_own_path(query: Query) -> Query:
    """Return what asks as `query` does and finds only the server's own operators and functions.

    Which schemas the login's own path leads to is in the setting `seedbed.path` meanwhile.
    """
    ((path,),) = query("SELECT pg_catalog.current_schemas(false)::pg_catalog.text")
    before = f"{OWN_PATH}; SET LOCAL seedbed.path = {quoted_text(path or '{}')}"
    return lambda text: query(f"{before}; {text}")


def _counted(query: Query, version: str, removal: Removal, table: _Found) -> Iterator[Loss]:
    what = ".".join(filter(None, (*removal.names, table.column)))
    if removal.kind is RemovalKind.SCHEMA:
        what = f"{table.schema}.{table.name}"
    elif removal.kind in _BY_TYPE:
        what = f"{table.schema}.{table.name}.{table.column}, by DROP {removal.kind.value.upper()} … CASCADE"
    rows, certainty = _rows(query, table)
    if removal.kind is RemovalKind.SOME_ROWS:
        certainty = Certainty.AT_MOST
    if rows:
        yield Loss(version, f"{'column' if table.column else 'table'} {what}", rows, certainty)


def _taken_along(
    query: Query, version: str, removal: Removal, emptied: _Found, named: set[str]
) -> Iterator[Loss]:
    """Yield the rows of other tables that go because they refer to those of `emptied`; each table once.

    `named`: the oids of tables that are counted already.
    """
    which = "true" if removal.cascades else "confdeltype = 'c'"
    reached = _REFERRING.format(oid=emptied.oid, which=which)
    for table in _matching(query, f"c.oid IN ({reached}) AND NOT c.relispartition"):
        rows, certainty = _rows(query, table)
        if not rows or table.oid in named:
            continue
        named.add(table.oid)
        is_beside = len(removal.names) == 1 and table.schema == emptied.schema
        name = table.name if is_beside else f"{table.schema}.{table.name}"
        if removal.cascades:
            yield Loss(version, f"table {name}, by TRUNCATE … CASCADE", rows, certainty)
        else:
            yield Loss(version, f"table {name}, by ON DELETE CASCADE", rows, Certainty.AT_MOST)


def _tables(query: Query, removal: Removal) -> Iterator[_Found]:
    """Yield the tables that `removal` means."""
    if removal.kind is RemovalKind.UNKNOWN:
        return
    *schema, name = removal.names
    if removal.kind is RemovalKind.SCHEMA:
        yield from _matching(query, f"n.nspname = {quoted_text(name)} AND NOT c.relispartition")
        return
    if removal.kind in _BY_TYPE:
        where = f"s.nspname = {quoted_text(schema[0])}" if schema else _ON_PATH.format(schema="s.nspname")
        text = _TYPES if removal.kind is RemovalKind.TYPE else _TYPES_OF_EXTENSION
        types = text.format(name=quoted_text(name), schema=where)
        uses = f"(u.oid IN ({types}) OR u.typelem IN ({types}) OR u.typbasetype IN ({types}))"
        condition = f"{uses} AND NOT c.relispartition AND {_OURS}"
        yield from _matching(query, condition, more=_COLUMNS, column="a.attname")
        return
    condition = f"n.nspname = {quoted_text(schema[0])}" if schema else _OURS
    for each in _matching(query, f"c.relname = {quoted_text(name)} AND {condition}")[:1]:
        yield _Found(each.oid, each.schema, each.name, each.expected, removal.column)


def _matching(query: Query, condition: str, *, more: str = "", column: str = "''::text") -> list[_Found]:
    rows = query(_TABLE.format(condition=condition, more=more, column=column))
    return [
        _Found(str(oid), str(schema), str(name), int(expected or 0), str(of or ""))
        for oid, schema, name, expected, of in rows
    ]


def _rows(query: Query, table: _Found) -> tuple[int, Certainty]:
    if table.expected > COUNTED:
        return table.expected, Certainty.AT_MOST if table.column else Certainty.ABOUT
    condition = f" WHERE {quoted_name(table.column)} IS NOT NULL" if table.column else ""
    counted = f"SELECT 1 FROM {quoted_name(table.schema, table.name)}{condition} LIMIT {COUNTED + 1}"
    ((rows,),) = query(f"SELECT pg_catalog.count(*) FROM ({counted}) AS counted")
    number = int(rows or 0)
    return (COUNTED, Certainty.AT_LEAST) if number > COUNTED else (number, Certainty.EXACT)
