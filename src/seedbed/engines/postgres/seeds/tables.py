"""What a seed has to know about the table it goes into: columns, and the keys that identify its rows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from psycopg import sql

from seedbed.engines.postgres.seeds.values import ColumnShape
from seedbed.engines.postgres.store.ownership import TABLES
from seedbed.engines.postgres.wire.driver import own_rows, relation
from seedbed.errors import Location, StepFailed, collected
from seedbed.support.guess import did_you_mean

if TYPE_CHECKING:
    from psycopg import Connection

    from seedbed.model.seed import RowSource

# The columns of a table and its unique keys, in one answer. Domains are followed to what they stand on. A key
# is a unique index over plain columns of all rows; `equals` is the operator that its uniqueness means, which
# for a type from an extension need not be on the search path.
_DESCRIBE = """
WITH RECURSIVE target AS (
    SELECT c.oid, c.relkind FROM pg_class AS c WHERE c.oid = {table}
), attribute AS (
    SELECT a.* FROM pg_attribute AS a JOIN target ON a.attrelid = target.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped
), base (attnum, type) AS (
    SELECT attnum, atttypid FROM attribute
    UNION ALL
    SELECT base.attnum, t.typbasetype FROM base JOIN pg_type AS t ON t.oid = base.type WHERE t.typtype = 'd'
), shape AS (
    SELECT base.attnum, t.typcategory = 'A' AS is_array, t.typcategory = 'S' AS is_text,
           coalesce(e.oid, t.oid) IN ('json'::regtype, 'jsonb'::regtype) AS is_json,
           coalesce(e.typdelim, ',') AS delimiter
    FROM base JOIN pg_type AS t ON t.oid = base.type AND t.typtype <> 'd'
    LEFT JOIN pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'
), unique_key AS (
    SELECT i.indisprimary, i.indimmediate, k.columns, k.operators,
           coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_are_equal  -- since version 15
    FROM pg_index AS i JOIN target ON i.indrelid = target.oid,
    LATERAL (
        SELECT array_agg(a.attname::text ORDER BY p.place) AS columns,
               array_agg(format('OPERATOR(%I.%s)', n.nspname, o.oprname) ORDER BY p.place) AS operators
        FROM unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS p (attnum, class, place)
        JOIN attribute AS a ON a.attnum = p.attnum
        JOIN pg_opclass AS c ON c.oid = p.class
        JOIN pg_amop AS m ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3
                         AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
        JOIN pg_operator AS o ON o.oid = m.amopopr
        JOIN pg_namespace AS n ON n.oid = o.oprnamespace
        WHERE p.place <= i.indnkeyatts
    ) AS k
    WHERE i.indisunique AND NOT i.indisexclusion AND i.indisvalid AND i.indisready
      AND i.indpred IS NULL AND cardinality(k.columns) = i.indnkeyatts
)
SELECT target.relkind::text,
       (SELECT array_agg(jsonb_build_array(a.attname, a.attgenerated <> '', a.attidentity = 'a',
                                           s.is_array, s.is_json, s.is_text, s.delimiter) ORDER BY a.attnum)
        FROM attribute AS a JOIN shape AS s USING (attnum)),
       (SELECT array_agg(jsonb_build_array(u.indisprimary, u.indimmediate, u.columns, u.operators, u.nulls_are_equal)
                         ORDER BY u.indisprimary DESC, u.columns) FROM unique_key AS u)
FROM target
"""
# What a mistyped name may have meant: (whether it needs no schema, schema, name).
_PATH = "SELECT pg_catalog.current_schemas(false)"
_TABLES = """
SELECT n.nspname = ANY ({path}), n.nspname, c.relname
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema)' AND c.relname <> ALL ({own})
ORDER BY 1 DESC, 2, 3
"""
_KINDS = {
    "v": "a view",
    "m": "a materialised view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
}


class SeedColumn(Struct, frozen=True):
    """A column; `is_fixed` once its row is there (GENERATED ALWAYS AS IDENTITY)."""

    name: str
    is_generated: bool
    is_fixed: bool
    shape: ColumnShape


class SeedKey(Struct, frozen=True):
    """Columns that tell rows apart, and the operator that compares each; `guards`: fit for ON CONFLICT.

    `nulls_are_equal`: two nulls are the same key (NULLS NOT DISTINCT).
    """

    is_primary: bool
    guards: bool
    columns: tuple[str, ...]
    operators: tuple[str, ...]
    nulls_are_equal: bool = False


class SeedTable(Struct, frozen=True):
    """A table as a seed sees it: the columns that the file gives, and the key that identifies its rows."""

    name: sql.Identifier
    columns: tuple[SeedColumn, ...]
    key: SeedKey


def describe(connection: Connection[tuple[Any, ...]], rows: RowSource) -> SeedTable:
    """Return the table that `rows` go into. Raises StepFailed for all columns, or for what else, does not fit."""
    name = sql.Identifier(*rows.table.split(".", 1))
    table = relation(connection, name.as_string(connection))
    found = own_rows(connection, _DESCRIBE.format(table=table)) if table else []
    if not found:
        raise _unknown_table(connection, rows)
    ((kind, columns, keys),) = found
    if kind not in {"r", "p"}:
        raise _unfit(rows, f"{rows.table} is {_KINDS.get(kind, 'no table')}", "a seed goes into a table")
    known = {each[0]: SeedColumn(each[0], each[1], each[2], ColumnShape(*each[3:])) for each in columns or ()}
    given = tuple(collected(partial(_column, rows, each, known) for each in rows.columns))
    if missing := [name for name in rows.key if name not in rows.columns]:
        raise _unfit(
            rows,
            f"the key of {rows.table} names {missing[0]}, which is not a column of the file",
            f"its columns are {', '.join(rows.columns)}",
        )
    return SeedTable(
        name,
        given,
        _key(
            rows, [SeedKey(each[0], each[1], tuple(each[2]), tuple(each[3]), each[4]) for each in keys or ()]
        ),
    )


def _column(rows: RowSource, name: str, known: dict[str, SeedColumn]) -> SeedColumn:
    if name not in known:
        raise _unfit(
            rows,
            f"{rows.table} has no column {name}",
            f"its columns are {', '.join(known)}",
            did_you_mean(name, known),
        )
    if known[name].is_generated:
        raise _unfit(
            rows,
            f"{rows.table}.{name} is generated by the database",
            "a generated column takes no values",
            f"leave {name} out of the file",
        )
    return known[name]


def _key(rows: RowSource, keys: list[SeedKey]) -> SeedKey:
    """Return the key as given, else the primary key if the file has it, else the only unique one that it has."""
    if rows.key:
        same = [each for each in keys if set(each.columns) == set(rows.key)]
        if same:
            return max(same, key=lambda each: each.guards)
        raise _unfit(
            rows,
            f"no unique index of {rows.table} covers exactly ({', '.join(rows.key)})",
            f"a row is found by its key, so the database has to keep that unique; {_known_keys(keys)}",
            "name one of these as key=, or create a unique index (partial ones and expressions do not count)",
        )
    here = [each for each in keys if set(each.columns) <= set(rows.columns)]
    primary = [each for each in here if each.is_primary]
    if primary:
        return primary[0]
    if len({frozenset(each.columns) for each in here}) == 1:
        return max(here, key=lambda each: each.guards)
    if here:
        what, try_ = "several keys could identify", "say which: key=column,column"
    else:
        what = "nothing identifies"
        try_ = (
            "give the file the columns of one of them" if keys else "a migration that creates a unique index"
        )
    raise _unfit(rows, f"{what} the rows of {rows.table}", _known_keys(here or keys), try_)


def _known_keys(keys: Iterable[SeedKey]) -> str:
    words = list(dict.fromkeys(f"({', '.join(each.columns)})" for each in keys))
    return f"its unique keys are {', '.join(words)}" if words else "it has no unique key"


def _unknown_table(connection: Connection[tuple[Any, ...]], rows: RowSource) -> StepFailed:
    ((path,),) = connection.execute(_PATH).fetchall()
    found = own_rows(
        connection,
        sql.SQL(_TABLES).format(path=sql.Literal(path), own=sql.Literal(list(TABLES))).as_string(connection),
    )
    tables = [name if is_near else f"{schema}.{name}" for is_near, schema, name in found]
    known = f"the tables are {', '.join(tables[:20])}{'…' if len(tables) > 20 else ''}"
    return _unfit(
        rows,
        f"there is no table {rows.table}",
        known if tables else "the database has no tables",
        did_you_mean(rows.table, tables, otherwise="say it in the file: seedbed: table=…"),
    )


def _unfit(rows: RowSource, what: str, because: str, try_: str = "") -> StepFailed:
    return StepFailed(what, because=because, try_=try_, at=Location(rows.path, rows.line))
