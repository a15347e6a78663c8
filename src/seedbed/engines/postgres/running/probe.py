"""Inspect the catalogue for the outcome of a statement whose runner died during it.

Only statements that PostgreSQL refuses inside a transaction come here. Each probe answers whether the
statement took effect, and where it left something half made, what has to be removed before it runs again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from psycopg import sql

from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.engines.postgres.rules.effects import Effect, EffectKind, effect
from seedbed.engines.postgres.wire.driver import own_rows, relation

if TYPE_CHECKING:
    from psycopg import Connection

_INDEX = """
SELECT i.indisvalid, i.indisready, c.relkind = 'I', n.nspname, c.relname,
       EXISTS (SELECT 1 FROM pg_stat_progress_create_index AS p WHERE p.index_relid = c.oid),
       i.indrelid = {table}
FROM pg_class AS c
JOIN pg_index AS i ON i.indexrelid = c.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = {index}
"""
# REINDEX CONCURRENTLY builds `<name>_ccnew` and swaps; killed late it leaves `<name>_ccold`. Numbers follow
# when a name is taken, and a long name is cut so that all of it fits into 63 bytes. Only an invalid index of
# the same table that is called so after an index of that table is a leftover.
_LEFTOVERS = """
SELECT n.nspname, x.relname
FROM pg_index AS i
JOIN pg_class AS x ON x.oid = i.indexrelid
JOIN pg_namespace AS n ON n.oid = x.relnamespace
CROSS JOIN LATERAL regexp_replace(x.relname, '_cc(new|old)[0-9]*$', '') AS base
WHERE NOT i.indisvalid AND base <> x.relname AND i.indrelid = {table}
  AND EXISTS (SELECT FROM pg_index AS j JOIN pg_class AS own ON own.oid = j.indexrelid
              WHERE j.indrelid = i.indrelid AND own.relname = coalesce({index}, own.relname)
                AND (own.relname = base OR octet_length(x.relname) > 59 AND starts_with(own.relname, base)))
  AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index AS p
                  WHERE p.index_relid = x.oid OR p.relid = i.indrelid)
"""
_DETACHING = """
SELECT inhdetachpending FROM pg_inherits
WHERE inhrelid = {partition} AND inhparent = {table}
"""


class ProbeResult(Struct, frozen=True):
    """`took_effect`: True, False, or None where a person has to decide. `cleanup` runs before a repetition;
    `instead` is what finishes the statement where repeating it would not. `explanation` is for people."""

    took_effect: bool | None
    explanation: str
    cleanup: tuple[str, ...] = ()
    instead: str = ""

    @property
    def left_nothing(self) -> bool:
        """Whether everything is as if the statement had never been begun."""
        return self.took_effect is False and not self.cleanup and not self.instead


def probe(connection: Connection[tuple[Any, ...]], statement: str) -> ProbeResult:
    """Return what the catalogue shows about `statement`."""
    found = effect(statement)
    if found is None:
        return ProbeResult(None, "the catalogue cannot prove whether it took effect")
    match found.kind:
        case EffectKind.CREATE_INDEX:
            return _created(connection, found)
        case EffectKind.DROP_INDEX:
            return _dropped(connection, found)
        case EffectKind.REINDEX_INDEX | EffectKind.REINDEX_TABLE:
            return _rebuilt(connection, found)
        case EffectKind.DETACH_PARTITION:
            return _detached(connection, found)


def _created(connection: Connection[tuple[Any, ...]], found: Effect) -> ProbeResult:
    row = _index(connection, found)
    if row is None:
        return ProbeResult(False, f"index {found.name} is not there: it is built now")
    valid, _ready, is_partitioned, schema, name, is_being_built, on_table = row
    if not on_table:
        return ProbeResult(None, f"there is an index {name}, but on another table than {found.table}")
    if valid:
        return ProbeResult(True, f"index {name} is there and valid")
    if is_being_built:
        return ProbeResult(None, f"index {name} is being built by another session right now")
    if is_partitioned:
        return ProbeResult(
            None, f"index {name} belongs to a partitioned table and is invalid until all parts have it"
        )
    return ProbeResult(
        False, f"index {name} was left invalid: it is removed and built again", (_drop(schema, name),)
    )


def _dropped(connection: Connection[tuple[Any, ...]], found: Effect) -> ProbeResult:
    row = _index(connection, found)
    if row is None:
        return ProbeResult(True, f"index {found.name} is gone")
    # An interrupted DROP leaves it invalid; the same statement finishes the work either way.
    is_valid, words = row[0], f"index {found.name} is still there"
    again = "" if is_valid else f"DROP INDEX CONCURRENTLY IF EXISTS {_name(found)}"
    words += ": it is dropped now" if is_valid else ", half dropped: that is finished now"
    return ProbeResult(False, words, instead=again)


def _rebuilt(connection: Connection[tuple[Any, ...]], found: Effect) -> ProbeResult:
    is_index = found.kind is EffectKind.REINDEX_INDEX
    table = relation(connection, _name(found))
    if is_index:
        rows = own_rows(connection, f"SELECT indrelid FROM pg_index WHERE indexrelid = {table}")
        table = rows[0][0] if rows else 0
    if not table:
        return ProbeResult(None, f"{found.name} is not there any more")
    index = quoted_text(found.name) if is_index else "NULL"
    leftovers = own_rows(connection, _LEFTOVERS.format(table=table, index=index))
    explanation = f"REINDEX of {found.name} may be done or not; doing it again is safe"
    if leftovers:
        explanation += f"; left behind and removed: {', '.join(name for _, name in leftovers)}"
    return ProbeResult(False, explanation, tuple(_drop(schema, name) for schema, name in leftovers))


def _detached(connection: Connection[tuple[Any, ...]], found: Effect) -> ProbeResult:
    partition, table = relation(connection, found.partition or ""), relation(connection, _name(found))
    if not partition or not table:
        return ProbeResult(None, f"{found.partition} or {found.name} is not there any more")
    rows = own_rows(connection, _DETACHING.format(partition=partition, table=table))
    if not rows:
        return ProbeResult(True, f"{found.partition} is detached")
    if not rows[0][0]:
        return ProbeResult(False, f"{found.partition} is still attached: it is detached now")
    finish = f"ALTER TABLE {_name(found)} DETACH PARTITION {found.partition} FINALIZE"
    return ProbeResult(False, f"{found.partition} is half detached: that is finished now", instead=finish)


def _index(connection: Connection[tuple[Any, ...]], found: Effect) -> Any:
    index = relation(connection, _name(found))
    table = relation(connection, found.table) if index and found.table else 0
    rows = own_rows(connection, _INDEX.format(index=index, table=table)) if index else []
    return rows[0] if rows else None


def _name(found: Effect) -> str:
    parts = (found.schema, found.name) if found.schema else (found.name,)
    return sql.Identifier(*parts).as_string()


def _drop(schema: str, name: str) -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS {sql.Identifier(schema, name).as_string()}"
