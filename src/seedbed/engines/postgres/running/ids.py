"""Ids of a column, for references that cross databases: all of them, or the rows of a few. Reads only.

A table is read by ranges of its blocks: each answer is one value, in which the server has put the ids of the range
behind each other. That costs the client next to nothing for a row, and the server less than a row apiece.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from msgspec import Struct

from seedbed.engines.kit.ids import held_texts, together
from seedbed.engines.kit.read_ahead import read_ahead
from seedbed.engines.postgres.files.quoting import quoted_name, quoted_text
from seedbed.engines.postgres.running.reading import reading
from seedbed.engines.postgres.wire.driver import own_rows, relation
from seedbed.errors import StepFailed, Unreachable
from seedbed.model.ids import Extent, Ids, number, number_text, same_id, spellings, whole
from seedbed.model.platform import ALL, Where
from seedbed.model.verification import Holders, Suspect

if TYPE_CHECKING:
    Connection = psycopg.Connection[tuple[Any, ...]]

_BLOCKS = 256  # of 8 KB, in a range: more are slower, what the server composes would not stay in its caches
_FEW = 32  # ranges that one connection reads as quickly as two
_FIRST, _LAST = "'0001-01-02'", "'9999-12-30'"  # of the times that Python has; infinity is none
# The largest number that counts seconds, and milliseconds, since 1970; what is larger tells no time.
_EPOCHS = ((10**11, 1), (25 * 10**13, 1000))
_ROWS = 8192  # of what has no blocks: a view, a foreign table
_UUID, _TEXTS, _INTEGERS, _NUMERIC = 2950, {25, 1043}, {20, 21, 23}, 1700
_BYTES, _JSON = 17, {114, 3802}
_FLOATS = {700: ("float4", 1e-45, 3.40282355e38), 701: ("float8", 0.0, math.inf)}  # finite ones lie between
_NO_NUMBERS = {"NaN", "Infinity", "-Infinity"}
_GIVEN = "\0"  # stands for the parameter in a query: no name and no text of it has that
_IS_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# A policy that would hide rows is an error: what it hides is neither found nor missed.
# What a role or a database has set for its clients would write one value in two ways.
_SNAPSHOT = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off; "
    "SET LOCAL extra_float_digits = 1; SET LOCAL IntervalStyle = 'postgres'"
)
# A domain counts as what it is made of, and a list as what its elements are.
_COLUMN = """
WITH RECURSIVE kinds (name, type, is_list) AS (
    SELECT attname, atttypid, false FROM pg_attribute WHERE attrelid = {table} AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT k.name, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END, k.is_list OR t.typtype <> 'd'
    FROM kinds AS k JOIN pg_type AS t ON t.oid = k.type
    WHERE t.typtype = 'd' OR t.typcategory = 'A' AND t.typelem <> 0
), columns AS (
    SELECT k.name, k.type, k.is_list FROM kinds AS k JOIN pg_type AS t ON t.oid = k.type
    WHERE NOT (t.typtype = 'd' OR t.typcategory = 'A' AND t.typelem <> 0)
)
SELECT n.nspname, c.relname, c.relkind IN ('r', 'p'), k.name, k.type::pg_catalog.int8, k.is_list, (
    SELECT array_agg(k.attname ORDER BY k.attnum) FROM pg_index AS i JOIN pg_attribute AS k ON k.attrelid = i.indrelid
    AND k.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisprimary
), (SELECT array_agg(name) FROM columns WHERE type = 1700 AND NOT is_list)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace CROSS JOIN columns AS k
WHERE c.oid = {table} AND k.name = {column}
"""
# A table may inherit from another one on two ways: its rows count once.
_TREE = """
WITH RECURSIVE parts (oid) AS (
    SELECT {table}::oid UNION SELECT i.inhrelid FROM parts AS p JOIN pg_inherits AS i ON i.inhparent = p.oid
)
"""
_IS_NUMBER = """
SELECT t.typcategory = 'N' FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = {table} AND a.attname = {column}
"""
# The tables that hold the rows of one: itself, or its partitions, those of partitions too. Without blocks: -1; so it is
# with a materialized view that was never filled, too: asked for its rows, the server says so.
_PARTS = f"""{_TREE}SELECT n.nspname, c.relname,
       CASE WHEN m.amname = 'heap' AND c.relispopulated
       THEN pg_relation_size(c.oid) / current_setting('block_size')::int8 ELSE -1 END,
       has_table_privilege(c.oid, 'SELECT')
FROM parts AS p JOIN pg_class AS c ON c.oid = p.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_am AS m ON m.oid = c.relam
WHERE c.relkind <> 'p'
"""


# What the planner takes for the rows of each: as dense as at the last look, and as long as now. NULL: never looked at.
_SIZES = f"""{_TREE}
SELECT CASE WHEN c.relkind NOT IN ('r', 'm') THEN NULL WHEN pg_relation_size(c.oid) = 0 THEN 0
       WHEN c.relpages > 0 AND c.reltuples >= 0 THEN
       (c.reltuples / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::int8))::int8 END
FROM parts AS p JOIN pg_class AS c ON c.oid = p.oid WHERE c.relkind <> 'p'
"""


class _Column(Struct, frozen=True):
    """A column that holds ids, or lists of them. `table`, `name` and `keys`, of the primary key, are quoted."""

    oid: int
    table: str
    is_locked: bool  # while it is read: no view, nothing that another server has
    name: str
    type: int  # of an id
    is_list: bool
    keys: Sequence[str]
    numerics: frozenset[str]  # the columns that `when` may name and that write zeros behind a point

    def text(self, value: str) -> str:
        """Return the expression of an id as text, of which no two are equal that differ."""
        return f'{_as_text(self.type, value)} COLLATE pg_catalog."C"'

    def ids_of(self, texts: Sequence[str]) -> Sequence[str]:
        """Return the ids that the server's `texts` write."""
        return list(map(number_text, texts)) if self.type in _FLOATS else texts

    def ids(self, table: str) -> str:
        """Return what stands behind FROM so that `u.v` is an id, and `t` its row."""
        value = f"t.{self.name}"
        of = f"(SELECT {value})"
        if self.is_list:  # NULL in place of a list is one id that is missing
            of = f"pg_catalog.unnest(coalesce({value}, '{{NULL}}'))"
        if self.type in _JSON:
            of = _JSON_IDS.format(value=f"(SELECT u.v FROM {of} AS u (v))" if self.is_list else value)
        return f"{table} AS t CROSS JOIN LATERAL {of} AS u (v)"


# The ids that a value of json has: itself, or each element of an array; null is none, a number has no zeros at its end.
_JSON_IDS = """(SELECT CASE pg_catalog.jsonb_typeof(e) WHEN 'null' THEN NULL
WHEN 'number' THEN pg_catalog.trim_scale(e::pg_catalog.numeric)::pg_catalog.text
ELSE e OPERATOR(pg_catalog.#>>) '{{}}' END
FROM (SELECT {value}::pg_catalog.jsonb) AS j (v) CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(
CASE pg_catalog.jsonb_typeof(j.v) WHEN 'array' THEN j.v ELSE pg_catalog.jsonb_build_array(j.v) END) AS a (e))"""


def _as_text(type_: int, value: str) -> str:
    if type_ == _BYTES:  # as DynamoDB and JSON write bytes
        return f"pg_catalog.translate(pg_catalog.encode({value}, 'base64'), E'\\n', '')"
    of = f"pg_catalog.trim_scale({value})" if type_ == _NUMERIC else value
    return f"{of}::pg_catalog.text"


def ids(
    connection: Connection, beside: Callable[[], Connection], path: str, where: Where = ALL
) -> Generator[Ids, None, None]:
    """Yield the ids of a column in blocks, all of one snapshot. Raises StepFailed, Unreachable, Interrupted.

    The server composes the next blocks while whoever takes them is busy. A large table is read over two connections:
    `beside` opens the second one; where there is no place for it, one has to do.
    """
    with reading(f"the ids of {path}"), ExitStack() as stack:
        column = stack.enter_context(_snapshot(connection, path))
        meant = _meant(connection, column, where)
        ranges: list[str] = []
        parts = own_rows(connection, _PARTS.format(table=column.oid))
        if not all(
            may_read for *_, may_read in parts
        ):  # who may read a table may not read its partitions by name
            yield from _by_rows(connection, column, column.table, meant)
            return
        for schema, name, blocks, _ in parts:
            table = quoted_name(schema, name)
            if blocks < 0:
                yield from _by_rows(connection, column, table, meant)
            ranges += [_range(column, table, first, meant) for first in range(0, blocks, _BLOCKS)]
        readers = [connection]
        if len(ranges) > _FEW and (second := _same_snapshot(connection, beside, column)):
            stack.callback(_end, second)
            readers.append(second)
        yield from _alternately(
            [
                stack.enter_context(
                    closing(read_ahead(_blocks(reader, column, ranges[n :: len(readers)]), together=1))
                )
                for n, reader in enumerate(readers)
            ]
        )


def extent(connection: Connection, path: str, where: Where = ALL) -> Extent:
    """Return about how many rows a column has, as the planner knows them. Raises StepFailed, Unreachable."""
    with reading(f"the ids of {path}"):
        parts = [rows for (rows,) in own_rows(connection, _SIZES.format(table=_column(connection, path).oid))]
        known = [each for each in parts if each is not None]
        return Extent(sum(known) if len(known) == len(parts) else None)


@contextmanager
def _snapshot(connection: Connection, path: str) -> Iterator[_Column]:
    """Return the column that `path` names, in a transaction in which nothing of its table changes. Raises StepFailed.

    A table is locked before the snapshot is taken: one that is emptied or rewritten between the two has no rows in it.
    """
    column = _column(connection, path)
    try:
        connection.execute(f"{_SNAPSHOT}{_lock(column)}".encode())
        yield _column(connection, path)  # what is there now
    finally:
        _end(connection)


def _lock(column: _Column) -> str:
    return f"; LOCK TABLE {column.table} IN ACCESS SHARE MODE" * column.is_locked


def _same_snapshot(
    connection: Connection, beside: Callable[[], Connection], column: _Column
) -> Connection | None:
    """Return a second connection that sees what this one does, None where there is no place for it.

    Nor where its lock would wait: for who waits for the lock that `connection` has, as long as both are read.
    """
    row = connection.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
    snapshot = quoted_text(str(row[0]) if row else "")
    lock = f"{_lock(column)} NOWAIT" * column.is_locked
    second = None
    try:
        second = beside()
        second.execute(f"{_SNAPSHOT}; SET TRANSACTION SNAPSHOT {snapshot}{lock}".encode())
    except (Unreachable, psycopg.Error):
        with suppress(psycopg.Error):
            if second is not None:
                _end(second)
        return None
    return second


def _end(connection: Connection) -> None:
    if not connection.closed:
        connection.execute("ROLLBACK")


def _alternately(several: Sequence[Iterator[Ids]]) -> Iterator[Ids]:
    for blocks in zip_longest(*several):
        yield from (block for block in blocks if block is not None)


def found(connection: Connection, path: str, ids: Sequence[str]) -> Collection[str]:
    """Return those of `ids` that a column has now. Raises StepFailed, Unreachable, Interrupted."""
    with reading(f"the ids of {path}"), _snapshot(connection, path) as column:
        wanted, given = _wanted(column, ids)
        query = f"SELECT DISTINCT {column.text('u.v')} FROM {column.ids(column.table)} WHERE {wanted}"
        texts = [text for (text,) in _asked(connection, query, given)]
        return frozenset(map(same_id, column.ids_of(texts)))


def holders(
    connection: Connection,
    path: str,
    suspects: Sequence[Suspect],
    *,
    time: str,
    most: int,
    where: Where = ALL,
) -> Mapping[str, Holders]:
    """Return the rows of a column that hold ids now, by id. Raises StepFailed, Unreachable, Interrupted."""
    with reading(f"the ids of {path}"), _snapshot(connection, path) as column:
        wanted, given = _wanted(column, list(held_texts(suspects)))
        texts = ", ".join(f"t.{each}::pg_catalog.text" for each in column.keys)
        row = f"pg_catalog.concat_ws(', ', {texts})" if texts else "NULL"
        since = _moment(connection, column, time) if time else "NULL::pg_catalog.timestamptz"
        meant = _meant(connection, column, where)
        query = f"""
        SELECT id, pg_catalog.count(*),
               pg_catalog.array_agg(k ORDER BY k) FILTER (WHERE n OPERATOR(pg_catalog.<=) {most}),
               pg_catalog.min(s) FILTER (WHERE s OPERATOR(pg_catalog.>) {_FIRST} AND s OPERATOR(pg_catalog.<) {_LAST})
        FROM (SELECT id, k, s, pg_catalog.row_number() OVER (PARTITION BY id) AS n
              FROM (SELECT {column.text("u.v")} AS id, {row} AS k, {since} AS s
                    FROM {column.ids(column.table)} WHERE {wanted}{meant}) AS rows
             ) AS numbered
        GROUP BY id
        """
        found: dict[str, Holders] = {}
        for text, count, rows, at in _asked(connection, query, given):
            (id_,) = map(same_id, column.ids_of([text]))
            found[id_] = together(found.get(id_), Holders(count, tuple(filter(None, rows)), at), most)
        return found


def _column(connection: Connection, path: str) -> _Column:
    """Return the column that `path` names: table.column, or schema.table.column. Raises StepFailed."""
    *table, name = path.split(".")
    oid = relation(connection, quoted_name(*table)) if len(table) in {1, 2} else 0
    rows = own_rows(connection, _COLUMN.format(table=oid, column=quoted_text(name)))
    if not rows:
        raise StepFailed(
            f"there is no column {path}",
            because=f"{'.'.join(table)} has none of that name"
            if oid
            else f"there is no table {'.'.join(table)}",
            try_="correct the reference in seedbed.toml: table.column, or schema.table.column",
        )
    schema, found, is_table, column, type_, is_list, keys, numerics = rows[0]
    return _Column(
        oid,
        quoted_name(schema, found),
        is_table,
        quoted_name(column),
        type_,
        is_list,
        [quoted_name(each) for each in keys or ()],
        frozenset(numerics or ()),
    )


def _range(column: _Column, table: str, first: int, meant: str) -> str:
    """Return the query for the ids in a range of blocks, and how many rows have none. A list that is empty has none
    that would be counted.
    """
    within = (
        f"t.ctid OPERATOR(pg_catalog.>=) '({first},0)'::pg_catalog.tid"
        f" AND t.ctid OPERATOR(pg_catalog.<) '({first + _BLOCKS},0)'::pg_catalog.tid"
    )
    if column.type == _UUID and not column.is_list:
        packed = "pg_catalog.string_agg(pg_catalog.uuid_send(u.v), ''::pg_catalog.bytea)"
    else:
        packed = (
            f"(pg_catalog.json_agg({column.text('u.v')}) FILTER (WHERE u.v IS NOT NULL))::pg_catalog.text"
        )
    empty = "pg_catalog.count(*) FILTER (WHERE u.v IS NULL)"
    return f"SELECT {packed}, {empty} FROM {column.ids(f'ONLY {table}')} WHERE {within}{meant}"


def _blocks(connection: Connection, column: _Column, ranges: Sequence[str]) -> Iterator[Ids]:
    with connection.cursor(binary=True) as cursor:
        for query in ranges:
            row = cursor.execute(query.encode()).fetchone()
            assert row is not None
            value, empty = row
            if isinstance(value, bytes):
                yield Ids(uuids=value, empty=empty)
            else:
                yield Ids(texts=column.ids_of(_texts(value)) if value else (), empty=empty)


_texts = msgspec.json.Decoder(list[str]).decode


def _by_rows(connection: Connection, column: _Column, table: str, meant: str) -> Iterator[Ids]:
    """Yield the ids of what has no blocks: a view, a table that another server has."""
    with connection.cursor(name="seedbed_ids") as cursor:
        query = f"SELECT {column.text('u.v')} FROM {column.ids(table)} WHERE TRUE{meant}"
        cursor.execute(query.encode())
        while rows := cursor.fetchmany(_ROWS):
            texts = [text for (text,) in rows if text is not None]
            yield Ids(texts=column.ids_of(texts), empty=len(rows) - len(texts))


def _meant(connection: Connection, column: _Column, where: Where) -> str:
    """Return the conditions that a row `t` is one of `where`, each after an AND; empty where all are."""
    recent = ""
    if where.since:
        since = f"{quoted_text(where.since.isoformat())}::pg_catalog.timestamptz"
        # A row that tells no time may be new.
        recent = (
            f" AND ({_moment(connection, column, where.time)} OPERATOR(pg_catalog.>=) {since}) IS NOT FALSE"
        )
    return recent + "".join(
        f" AND {_as_text(_NUMERIC * (name in column.numerics), f't.{quoted_name(name)}')} OPERATOR(pg_catalog.=) "
        f"ANY (ARRAY[{', '.join(map(quoted_text, texts))}]::pg_catalog.text[])"
        for name, texts in where.equal
    )


def _moment(connection: Connection, column: _Column, name: str) -> str:
    """Return the expression of the time that `name` of a row `t` tells; a number counts from 1970, in milliseconds
    where it is large, as `kit.ids.moment` has it.
    """
    value = f"t.{quoted_name(name)}"
    rows = own_rows(connection, _IS_NUMBER.format(table=column.oid, column=quoted_text(name)))
    if not rows or not rows[0][0]:
        return f"{value}::pg_catalog.timestamptz"
    whens = (
        f"WHEN {value} OPERATOR(pg_catalog.>=) {-most} AND {value} OPERATOR(pg_catalog.<=) {most}"
        f" THEN pg_catalog.to_timestamp({value}::pg_catalog.float8 OPERATOR(pg_catalog./) {unit})"
        for most, unit in _EPOCHS
    )
    return f"(CASE {' '.join(whens)} END)"


def _wanted(column: _Column, ids: Sequence[str]) -> tuple[str, list[Any]]:
    """Return the condition that `u.v` is one of `ids`, and its parameter: in the column's own type, so that an index
    serves, where every id that it can hold has one form there.
    """
    given: list[Any]
    value, type_ = "u.v", "text"
    if column.type == _UUID:
        type_, given = "uuid", list(filter(_IS_UUID.fullmatch, ids))
    elif column.type in _INTEGERS:
        type_, given = "int8", [each for each in map(whole, ids) if each is not None]
    elif column.type in _FLOATS:
        type_, least, most = _FLOATS[column.type]
        floats = [float(each) for each in ids if number(each)]
        given = [each for each in floats if not each or least < abs(each) < most]
        given += [float(each) for each in ids if each in _NO_NUMBERS]
    else:
        value = value if column.type in {*_TEXTS, *_JSON} else column.text(value)
        given = [each for each in spellings(ids) if "\0" not in each]  # which no text has there
    return f"{value} OPERATOR(pg_catalog.=) ANY ({_GIVEN}::pg_catalog.{type_}[])", given


def _asked(connection: Connection, query: str, given: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `query` with `given` in it; every % in it is one, of a name or of a value."""
    yield from connection.execute(query.replace("%", "%%").replace(_GIVEN, "%s").encode(), [given])
