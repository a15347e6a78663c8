"""How often tables, indexes and columns were used, as the server's statistics tell; catalogs alone are read."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from seedbed.engines.postgres.files.quoting import quoted_name, quoted_text
from seedbed.engines.postgres.rules.gone import COLUMN, INDEX, TABLE, VIEW
from seedbed.engines.postgres.rules.mentions import mentions
from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.libpq import Query
from seedbed.model.usage import Counter, Removed, Usage

# The name that an unqualified one means is the first on the login's own path.
_NAMED = """\
SELECT c.oid::text, c.relkind::text, COALESCE(i.indisunique, false)::text FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relname = {name} AND {schema} AND n.nspname !~ '^pg_' AND c.relkind {kinds}
ORDER BY n.nspname = ANY ({path}::name[]) DESC, array_position({path}::name[], n.nspname) LIMIT 1"""
# Scans of a partitioned table are those of its partitions. Of writes each row is counted.
_SCANS = """\
SELECT COALESCE(sum(COALESCE(s.seq_scan, 0) + COALESCE(s.idx_scan, 0)
  + s.n_tup_ins + s.n_tup_upd + s.n_tup_del), 0)::text
FROM pg_stat_all_tables s WHERE s.relid = {oid} OR s.relid IN (SELECT relid FROM pg_partition_tree({oid}))"""
_INDEX_SCANS = """\
SELECT COALESCE(sum(s.idx_scan), 0)::text FROM pg_stat_all_indexes s
WHERE s.indexrelid = {oid} OR s.indexrelid IN (SELECT relid FROM pg_partition_tree({oid}))"""
# A server that started anew may have lost what it counted: after a crash it has.
_COUNTING = """\
SELECT COALESCE(d.stats_reset::text, '') || ' ' || pg_postmaster_start_time()::text,
  current_setting('track_counts')::text, (SELECT count(*) FROM pg_stat_replication)::text,
  (to_regprocedure('pg_catalog.aurora_replica_status()') IS NOT NULL)::text
FROM pg_stat_database d WHERE d.datname = current_database()"""
_AURORA = "SELECT count(*)::text FROM aurora_replica_status() r WHERE r.session_id <> 'MASTER_SESSION_ID'"
_EXTENSION = """\
SELECT n.nspname, e.extversion,
  pg_has_role('pg_read_all_stats', 'USAGE')::text,
  COALESCE((SELECT setting FROM pg_settings WHERE name = 'pg_stat_statements.track'), '')
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'"""
# `dealloc` counts how often statements were given up for want of room, and their calls with them.
_KEPT = "SELECT stats_reset::text || ' ' || dealloc::text FROM {schema}.pg_stat_statements_info"
_STATEMENTS = """\
SELECT COALESCE(s.query, ''), sum(s.calls)::text FROM {schema}.pg_stat_statements s
WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (s.query IS NULL OR position({name} in lower(s.query)) > 0) GROUP BY 1"""
_CLIENTS = """\
SELECT DISTINCT application_name FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE '%@%' ORDER BY 1"""

_UNSEEN = "this login does not see the statements of others: pg_read_all_stats"
_REPLICAS = "the server has replicas, which count what is read there"


class _Counting(Struct, frozen=True):
    """How the server counts. `statements`: the schema of pg_stat_statements, None where it does not tell, `because`."""

    since: str
    path: str
    blind: str
    statements: str | None
    because: str = ""
    statements_since: str = ""


def usage(query: Query, removed: Sequence[Removed]) -> Usage:
    """Return a counter for each of `removed`, and the names of clients that have an @. Raises QueryFailed."""

    def ask(text: str) -> Sequence[tuple[str | None, ...]]:
        return list(query(f"{OWN_PATH}; {text}"))

    ((path,),) = query("SELECT pg_catalog.current_schemas(false)::pg_catalog.text")
    counting = _counting(ask, path or "{}")
    counters = tuple(_counter(ask, counting, each) for each in removed)
    return Usage(counters, tuple(str(name) for (name,) in ask(_CLIENTS)))


def _counting(ask: Query, path: str) -> _Counting:
    ((since, counts, replicas, is_aurora),) = ask(_COUNTING)
    others = int(replicas or 0)
    if is_aurora == "true":
        others += int(ask(_AURORA)[0][0] or 0)
    blind = "track_counts is off" if counts != "on" else _REPLICAS if others else ""
    schema, because, kept = None, "pg_stat_statements is not in the database", ""
    for found, version, sees, track in ask(_EXTENSION):
        if track in {"", "none"}:
            because = (
                "pg_stat_statements.track is none"
                if track
                else "shared_preload_libraries lacks pg_stat_statements"
            )
        elif sees != "true":
            because = _UNSEEN
        elif _version(version or "") < (1, 9):
            because = f"pg_stat_statements {version} does not tell when it began to count; 1.9 does"
        else:
            schema, because = found, ""
            kept = str(ask(_KEPT.format(schema=quoted_name(found or "")))[0][0])
    return _Counting(str(since), path, blind, schema, because, f"{since} {kept}")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(".") if each.isdigit())


def _counter(ask: Query, counting: _Counting, removed: Removed) -> Counter:
    match removed.kind:
        case kind if kind == TABLE:
            return _scans(ask, counting, removed)
        case kind if kind == INDEX:
            return _index_scans(ask, counting, removed)
        case kind if kind == VIEW:
            return _statements(ask, counting, removed, removed.path[-1])
        case kind if kind == COLUMN:
            *_, table, column = removed.path
            return _statements(ask, counting, removed, table, column)
        case _:
            return Counter(removed, blind="nothing counts who uses that")


def _scans(ask: Query, counting: _Counting, removed: Removed) -> Counter:
    oid, _ = _relation(ask, counting, removed.path, "IN ('r', 'p', 'm')")
    if not oid:
        return Counter(removed, since=counting.since, blind="it is not there")
    ((uses,),) = ask(_SCANS.format(oid=oid))
    return Counter(removed, int(uses or 0), 0, f"{oid} {counting.since}", counting.blind)


def _index_scans(ask: Query, counting: _Counting, removed: Removed) -> Counter:
    oid, is_unique = _relation(ask, counting, removed.path, "IN ('i', 'I')")
    if not oid:
        return Counter(removed, since=counting.since, blind="it is not there")
    ((uses,),) = ask(_INDEX_SCANS.format(oid=oid))
    unique = "it is unique, and who relies on that is not counted" if is_unique else ""
    return Counter(removed, int(uses or 0), 0, f"{oid} {counting.since}", counting.blind or unique)


def _relation(ask: Query, counting: _Counting, path: Sequence[str], kinds: str) -> tuple[str, bool]:
    """Return the oid of a relation, empty where there is none, and whether it is a unique index."""
    *schema, name = path
    own = quoted_text(counting.path)
    where = f"n.nspname = {quoted_text(schema[0])}" if schema else "true"
    found = ask(_NAMED.format(name=quoted_text(name), schema=where, kinds=kinds, path=own))
    for oid, _, is_unique in found:
        return str(oid), is_unique == "true"
    return "", False


def _statements(
    ask: Query, counting: _Counting, removed: Removed, relation: str, column: str = ""
) -> Counter:
    """Count the calls of statements that name `column` of `relation`; empty: the relation itself."""
    if counting.statements is None:
        return Counter(removed, blind=counting.because)
    name = quoted_text(relation.lower())
    sums = dict.fromkeys(("yes", "no", "unclear"), 0)
    for text, called in ask(_STATEMENTS.format(schema=quoted_name(counting.statements), name=name)):
        verdict = mentions(text, relation, column) if text else "unclear"
        sums[verdict] += int(called or 0)
    return Counter(removed, sums["yes"], sums["unclear"], counting.statements_since, counting.blind)
