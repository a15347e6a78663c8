"""The canonical schema of a database: one line per fact, sorted, the same for the same schema.

Columns stand by name, never by position, because a reverted and re-applied `ADD COLUMN` moves them. Left out
are what is no schema (counts, the last value of a sequence, whether a materialised view is filled, owners),
what an extension brings along, what belongs to another fact (a table's row type, its TOAST table, the index
behind a key), the NOT NULL constraints that PostgreSQL 18 also stores by name, and the number by which newer minor
versions tell apart columns that were made again (`pg_attver`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from hashlib import sha256
from typing import Any

from seedbed.engines.postgres.files.quoting import quoted_text

Queries = Callable[[str], Iterable[tuple[Any, ...]]]  # several queries in one text -> the rows of all of them

# What is ours: neither the server's own nor excluded schemas, nor what an extension or a
# range type brought along. Every query below
# selects lines and is sent with these in front; names come out qualified because the search path is empty.
_SHARED = """
mine AS MATERIALIZED (
    SELECT oid, nspname FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND nspname <> ALL ({exclude})
), brought_along AS MATERIALIZED (
    SELECT classid, objid FROM pg_catalog.pg_depend
    WHERE deptype = 'e' OR deptype = 'i' AND classid IN ('pg_proc'::regclass, 'pg_cast'::regclass)
), relation AS MATERIALIZED (
    SELECT c.*, c.oid::regclass::text AS name FROM pg_catalog.pg_class AS c JOIN mine ON mine.oid = c.relnamespace
    WHERE (c.tableoid, c.oid) NOT IN (SELECT classid, objid FROM brought_along)
), routine AS MATERIALIZED (
    SELECT p.*, p.oid::regprocedure::text AS name,
           CASE p.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END AS kind
    FROM pg_catalog.pg_proc AS p JOIN mine ON mine.oid = p.pronamespace
    WHERE (p.tableoid, p.oid) NOT IN (SELECT classid, objid FROM brought_along)
), type AS MATERIALIZED (
    SELECT t.*, t.oid::regtype::text AS name FROM pg_catalog.pg_type AS t JOIN mine ON mine.oid = t.typnamespace
    WHERE (t.tableoid, t.oid) NOT IN (SELECT classid, objid FROM brought_along)
      AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
      AND t.typtype IN ('e', 'd', 'c', 'r', 'b') AND t.typcategory <> 'A'
)
"""

_SCHEMAS = "SELECT concat_ws(' ', 'schema', quote_ident(nspname)) FROM mine"

_EXTENSIONS = "SELECT concat_ws(' ', 'extension', quote_ident(extname)) FROM pg_catalog.pg_extension"

# Labels of an enum stand in their order.
_ENUMS = """
SELECT concat_ws(' ', 'enum', name, '(' || string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) || ')')
FROM type JOIN pg_catalog.pg_enum ON enumtypid = type.oid GROUP BY name
"""

_DOMAINS = """
SELECT concat_ws(' ', 'domain', name, format_type(typbasetype, typtypmod), CASE WHEN typnotnull THEN 'not null' END,
                 'default ' || typdefault,
                 CASE WHEN typcollation NOT IN (0, b.collation) THEN 'collate ' || typcollation::regcollation END)
FROM type, LATERAL (SELECT u.typcollation AS collation FROM pg_catalog.pg_type AS u WHERE u.oid = type.typbasetype) AS b
WHERE typtype = 'd'
"""

_RANGES = """
SELECT concat_ws(' ', 'range', name, 'of', format_type(rngsubtype, NULL), 'multirange', rngmultitypid::regtype,
                 'operators', opcname, 'collate ' || nullif(rngcollation, 0)::regcollation,
                 'canonical ' || nullif(rngcanonical, 0)::regproc, 'difference ' || nullif(rngsubdiff, 0)::regproc)
FROM type JOIN pg_catalog.pg_range ON rngtypid = type.oid JOIN pg_catalog.pg_opclass AS o ON o.oid = rngsubopc
"""

_BASE_TYPES = """
SELECT concat_ws(' ', 'type', name, 'input', typinput, 'output', typoutput, 'length', typlen)
FROM type WHERE typtype = 'b'
UNION ALL SELECT concat_ws(' ', 'composite', name) FROM type WHERE typtype = 'c'
"""

_SEQUENCES = """
SELECT concat_ws(' ', 'sequence', r.name, format_type(s.seqtypid, NULL), 'start', s.seqstart, 'by', s.seqincrement,
                 'from', s.seqmin, 'to', s.seqmax, 'cache', s.seqcache, CASE WHEN s.seqcycle THEN 'cycle' END,
                 CASE r.relpersistence WHEN 'u' THEN 'unlogged' END,
                 'owned by ' || d.refobjid::regclass || '.' || quote_ident(a.attname))
FROM relation AS r JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = r.oid
LEFT JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i')
                                   AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
"""

_TABLES = """
SELECT concat_ws(' ', CASE r.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END, r.name,
                 CASE r.relpersistence WHEN 'u' THEN 'unlogged' END,
                 'of ' || nullif(r.reloftype, 0)::regtype,
                 'partition by ' || pg_get_partkeydef(r.oid),
                 (SELECT CASE WHEN r.relispartition THEN 'partition of ' ELSE 'inherits ' END
                         || string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
                  FROM pg_catalog.pg_inherits WHERE inhrelid = r.oid),
                 pg_get_expr(r.relpartbound, r.oid),
                 CASE WHEN r.relrowsecurity THEN 'row security' END,
                 CASE WHEN r.relforcerowsecurity THEN 'row security forced' END,
                 CASE r.relreplident WHEN 'n' THEN 'replica identity nothing' WHEN 'f' THEN 'replica identity full'
                                     WHEN 'i' THEN 'replica identity index' END,
                 CASE WHEN r.relam NOT IN (0, 2) THEN 'using ' || (
                     SELECT amname FROM pg_catalog.pg_am WHERE oid = r.relam) END,
                 (SELECT 'tablespace ' || quote_ident(spcname)
                  FROM pg_catalog.pg_tablespace WHERE oid = r.reltablespace),
                 'with (' || (SELECT string_agg(o, ', ' ORDER BY o)
                             FROM unnest(r.reloptions) AS o) || ')',
                 (SELECT concat_ws(' ', 'server', srvname, 'options',
                                    (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(ftoptions) AS o))
                  FROM pg_catalog.pg_foreign_table JOIN pg_catalog.pg_foreign_server AS s ON s.oid = ftserver
                  WHERE ftrelid = r.oid))
FROM relation AS r WHERE r.relkind IN ('r', 'p', 'f')
"""

# Of tables and composite types. An identity's sequence is listed with the sequences.
_COLUMNS = """
SELECT concat_ws(' ', CASE r.relkind WHEN 'c' THEN 'attribute' ELSE 'column' END,
                 r.name || '.' || quote_ident(a.attname),
                 format_type(a.atttypid, a.atttypmod),
                 CASE WHEN a.attcollation NOT IN (0, t.typcollation) THEN 'collate '
                     || a.attcollation::regcollation END,
                 CASE WHEN a.attnotnull THEN 'not null' END,
                 CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_constraint AS n WHERE n.conrelid = r.oid
                                   AND n.contype = 'n' AND NOT n.convalidated AND n.conkey = ARRAY[a.attnum])
                      THEN 'unproven' END,
                 CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
                 CASE a.attgenerated WHEN 's' THEN 'generated stored ' WHEN 'v' THEN 'generated virtual '
                                     ELSE 'default ' END
                 || pg_get_expr(d.adbin, d.adrelid),
                 CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END,
                 'compression ' || nullif(a.attcompression::text, ''),
                 CASE WHEN a.attstattarget >= 0 THEN 'statistics ' || a.attstattarget END,
                 'with (' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(a.attoptions) AS o
                             WHERE o NOT LIKE 'pg_attver=%') || ')')
FROM relation AS r
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'f', 'c')
"""

# Of tables and domains. A trigger made by CREATE CONSTRAINT TRIGGER is listed with the triggers. What a foreign
# key of or to a partitioned table makes on the partitions is that foreign key, under names made up in passing.
_CONSTRAINTS = """
SELECT concat_ws(' ', 'constraint', quote_ident(c.conname), 'on', coalesce(r.name, t.name),
                 pg_get_constraintdef(c.oid),
                 CASE WHEN NOT c.conislocal THEN 'inherited' END)
FROM pg_catalog.pg_constraint AS c
LEFT JOIN relation AS r ON r.oid = c.conrelid LEFT JOIN type AS t ON t.oid = c.contypid
WHERE c.contype NOT IN ('n', 't') AND NOT (c.contype = 'f' AND c.conparentid <> 0)
  AND (r.oid IS NOT NULL OR t.oid IS NOT NULL)
"""

_INDEXES = """
SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid THEN 'invalid' END,
                 CASE WHEN NOT i.indisready THEN 'not ready' END, CASE WHEN i.indisclustered THEN 'clustered' END,
                 CASE WHEN i.indisreplident THEN 'replica identity' END,
                 'part of ' || (SELECT inhparent::regclass::text
                                FROM pg_catalog.pg_inherits WHERE inhrelid = i.indexrelid))
FROM relation AS r JOIN pg_catalog.pg_index AS i ON i.indrelid = r.oid
"""

_TRIGGERS = """
SELECT concat_ws(' ', 'trigger on', r.name, pg_get_triggerdef(t.oid), CASE t.tgenabled
                 WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END)
FROM relation AS r JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.oid
WHERE NOT t.tgisinternal
"""

_ROUTINES = """
SELECT concat_ws(' ', kind, name, 'as', pg_get_functiondef(oid)) FROM routine WHERE kind <> 'aggregate'
"""

_AGGREGATES = """
SELECT concat_ws(' ', kind, p.name, 'returns', format_type(prorettype, NULL), 'step', aggtransfn,
                 'state', format_type(aggtranstype, NULL),
                 'final ' || nullif(aggfinalfn, 0)::regproc, 'combine ' || nullif(aggcombinefn, 0)::regproc,
                 'serial ' || nullif(aggserialfn, 0)::regproc, 'deserial ' || nullif(aggdeserialfn, 0)::regproc,
                 'moving ' || nullif(aggmtransfn, 0)::regproc, 'inverse ' || nullif(aggminvtransfn, 0)::regproc,
                 'sort ' || nullif(aggsortop, 0)::regoperator, 'initial ' || quote_literal(agginitval),
                 'kind', aggkind, 'parallel', proparallel)
FROM routine AS p JOIN pg_catalog.pg_aggregate AS a ON a.aggfnoid = p.oid
"""

_VIEWS = """
SELECT concat_ws(' ', CASE r.relkind WHEN 'm' THEN 'materialised view' ELSE 'view' END, r.name,
                 'with (' || (SELECT string_agg(o, ', ' ORDER BY o)
                             FROM unnest(r.reloptions) AS o) || ')',
                 'as', pg_get_viewdef(r.oid))
FROM relation AS r WHERE r.relkind IN ('v', 'm')
"""

# The rule behind every view is the view itself.
_RULES = """
SELECT concat_ws(' ', 'rule on', r.name, pg_get_ruledef(w.oid), CASE w.ev_enabled
                 WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END)
FROM relation AS r JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'
"""

_POLICIES = """
SELECT concat_ws(' ', 'policy', quote_ident(polname), 'on', r.name,
                 CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END, 'for', polcmd, 'to',
                 (SELECT string_agg(coalesce(quote_ident(rolname), 'public'), ', ' ORDER BY rolname)
                  FROM unnest(polroles) AS role LEFT JOIN pg_catalog.pg_roles AS a ON a.oid = role),
                 'using ' || pg_get_expr(polqual, polrelid), 'check ' || pg_get_expr(polwithcheck, polrelid))
FROM relation AS r JOIN pg_catalog.pg_policy ON polrelid = r.oid
"""

_STATISTICS = """
SELECT concat_ws(' ', 'statistics', pg_get_statisticsobjdef(s.oid), 'target ' || nullif(s.stxstattarget, -1))
FROM pg_catalog.pg_statistic_ext AS s JOIN mine ON mine.oid = s.stxnamespace
"""

_COLLATIONS = """
SELECT concat_ws(' ', 'collation', c.oid::regcollation, 'provider', collprovider, to_jsonb(c) ->> 'collcollate',
                 to_jsonb(c) ->> 'collctype', coalesce(to_jsonb(c) ->> 'colliculocale', to_jsonb(c) ->> 'colllocale'),
                 CASE WHEN NOT collisdeterministic THEN 'nondeterministic' END)
FROM pg_catalog.pg_collation AS c JOIN mine ON mine.oid = c.collnamespace
WHERE (c.tableoid, c.oid) NOT IN (SELECT classid, objid FROM brought_along)
"""

_OPERATORS = """
SELECT concat_ws(' ', 'operator', o.oid::regoperator, 'calls', oprcode, 'commutator ' || nullif(oprcom, 0)::regoperator,
                 'negator ' || nullif(oprnegate, 0)::regoperator, 'restrict ' || nullif(oprrest, 0)::regproc,
                 'join ' || nullif(oprjoin, 0)::regproc)
FROM pg_catalog.pg_operator AS o JOIN mine ON mine.oid = o.oprnamespace
WHERE (o.tableoid, o.oid) NOT IN (SELECT classid, objid FROM brought_along)
"""

_CASTS = """
SELECT concat_ws(' ', 'cast', format_type(castsource, NULL), 'as', format_type(casttarget, NULL),
                 castcontext, castmethod,
                 nullif(castfunc, 0)::regprocedure)
FROM pg_catalog.pg_cast AS c
WHERE c.oid >= 16384 AND (c.tableoid, c.oid) NOT IN (SELECT classid, objid FROM brought_along)
"""

_EVENT_TRIGGERS = """
SELECT concat_ws(' ', 'event trigger', quote_ident(evtname), 'on', evtevent, 'calls', evtfoid::regprocedure,
                 (SELECT 'tags ' || string_agg(tag, ', ' ORDER BY tag) FROM unnest(evttags) AS tag),
                 CASE evtenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END)
FROM pg_catalog.pg_event_trigger AS e
WHERE (e.tableoid, e.oid) NOT IN (SELECT classid, objid FROM brought_along)
"""

_PUBLICATIONS = """
SELECT concat_ws(' ', 'publication', quote_ident(pubname), CASE WHEN puballtables THEN 'for all tables' END,
                 CASE WHEN pubinsert THEN 'insert' END, CASE WHEN pubupdate THEN 'update' END,
                 CASE WHEN pubdelete THEN 'delete' END, CASE WHEN pubtruncate THEN 'truncate' END,
                 CASE WHEN pubviaroot THEN 'via root' END,
                 'generated columns ' || nullif(to_jsonb(p) ->> 'pubgencols', 'n'))
FROM pg_catalog.pg_publication AS p
"""

_PUBLISHED = """
SELECT concat_ws(' ', 'published in', quote_ident(pubname), r.name,
                 (SELECT '(' || string_agg(quote_ident(attname), ', ' ORDER BY attname) || ')'
                  FROM pg_catalog.pg_attribute WHERE attrelid = r.oid AND attnum = ANY (prattrs::int2[])),
                 'where ' || pg_get_expr(prqual, prrelid))
FROM pg_catalog.pg_publication_rel JOIN relation AS r ON r.oid = prrelid
JOIN pg_catalog.pg_publication AS p ON p.oid = prpubid
UNION ALL
SELECT concat_ws(' ', 'published in', quote_ident(pubname), 'schema', quote_ident(nspname))
FROM pg_catalog.pg_publication_namespace JOIN mine ON mine.oid = pnnspid
JOIN pg_catalog.pg_publication AS p ON p.oid = pnpubid
"""

# A comment on a column, a constraint, a trigger, … is found by where its object lives; pg_identify_object
# names them all alike.
_COMMENTS = """
SELECT concat_ws(' ', 'comment on', o.type, o.identity, 'is', quote_literal(d.description))
FROM pg_catalog.pg_description AS d, LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS o
WHERE (d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass)
  AND (d.classoid, d.objoid) NOT IN (SELECT classid, objid FROM brought_along)
  AND d.classoid NOT IN ('pg_extension'::regclass, 'pg_largeobject'::regclass)
  AND NOT (d.classoid = 'pg_namespace'::regclass AND d.description = 'standard public schema')
  AND (o.schema IS NULL OR o.schema IN (SELECT nspname FROM mine))
  AND (d.classoid <> 'pg_namespace'::regclass OR d.objoid IN (SELECT oid FROM mine))
  AND (d.classoid <> 'pg_constraint'::regclass OR EXISTS (
       SELECT FROM pg_catalog.pg_constraint WHERE oid = d.objoid AND contype <> 'n'
       AND connamespace IN (SELECT oid FROM mine)))
  AND (d.classoid <> 'pg_trigger'::regclass OR EXISTS (
       SELECT FROM pg_catalog.pg_trigger AS t JOIN relation AS r ON r.oid = t.tgrelid WHERE t.oid = d.objoid))
  AND (d.classoid <> 'pg_policy'::regclass OR EXISTS (
       SELECT FROM pg_catalog.pg_policy AS p JOIN relation AS r ON r.oid = p.polrelid WHERE p.oid = d.objoid))
  AND (d.classoid <> 'pg_rewrite'::regclass OR EXISTS (
       SELECT FROM pg_catalog.pg_rewrite AS w JOIN relation AS r ON r.oid = w.ev_class WHERE w.oid = d.objoid))
"""

# What owners may do to what is theirs is no fact of the schema: left out, so that no entry at all and one
# that only repeats the owner's own rights read the same.
_GRANTS = """
SELECT concat_ws(' ', 'grant', privilege_type, 'on', kind, name, 'to',
                 CASE WHEN grantee = 0 THEN 'public' ELSE grantee::regrole::text END,
                 CASE WHEN is_grantable THEN 'with grant option' END)
FROM (
    SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind, name, relowner AS owner,
           relacl AS acl FROM relation
    UNION ALL
    SELECT 'column', r.name || '.' || quote_ident(attname), relowner, attacl
    FROM relation AS r JOIN pg_catalog.pg_attribute ON attrelid = r.oid AND NOT attisdropped
    UNION ALL
    SELECT kind, name, proowner, proacl FROM routine
    UNION ALL
    SELECT 'type', name, typowner, typacl FROM type
    UNION ALL
    SELECT 'schema', quote_ident(n.nspname), nspowner, nspacl
    FROM mine JOIN pg_catalog.pg_namespace AS n ON n.oid = mine.oid
) AS object, LATERAL aclexplode(acl) AS granted
WHERE acl IS NOT NULL AND grantee <> owner
"""

# Functions and types are granted to PUBLIC unless that is revoked, which no grant shows.
_REVOKED = """
SELECT concat_ws(' ', 'not public', kind, name)
FROM (SELECT kind, name, proacl AS acl FROM routine UNION ALL SELECT 'type', name, typacl FROM type) AS object
WHERE acl IS NOT NULL AND NOT EXISTS (SELECT FROM aclexplode(acl) WHERE grantee = 0)
"""

_DEFAULT_GRANTS = """
SELECT concat_ws(' ', 'default grant', privilege_type, 'on', defaclobjtype, 'in ' || quote_ident(nspname),
                 CASE WHEN defaclrole <> quote_ident(current_user)::regrole THEN 'by ' || defaclrole::regrole END,
                 'to', CASE WHEN grantee = 0 THEN 'public' ELSE grantee::regrole::text END,
                 CASE WHEN is_grantable THEN 'with grant option' END)
FROM pg_catalog.pg_default_acl LEFT JOIN mine ON mine.oid = defaclnamespace, LATERAL aclexplode(defaclacl)
WHERE defaclnamespace = 0 OR mine.oid IS NOT NULL
"""

_QUERIES = (
    _SCHEMAS,
    _EXTENSIONS,
    _ENUMS,
    _DOMAINS,
    _RANGES,
    _BASE_TYPES,
    _COLLATIONS,
    _OPERATORS,
    _CASTS,
    _SEQUENCES,
    _TABLES,
    _COLUMNS,
    _CONSTRAINTS,
    _INDEXES,
    _TRIGGERS,
    _ROUTINES,
    _AGGREGATES,
    _VIEWS,
    _RULES,
    _POLICIES,
    _STATISTICS,
    _EVENT_TRIGGERS,
    _PUBLICATIONS,
    _PUBLISHED,
    _COMMENTS,
    _GRANTS,
    _REVOKED,
    _DEFAULT_GRANTS,
)


def schema(queries: Queries, exclude_schemas: Collection[str] = ()) -> list[str]:
    """Return the canonical schema, sorted; one round trip. `exclude_schemas`: names that are left out."""
    excluded = ", ".join(map(quoted_text, sorted(exclude_schemas)))
    shared = _SHARED.replace("{exclude}", f"ARRAY[{excluded}]::text[]")
    text = "; ".join(
        ["SET LOCAL search_path = pg_catalog", *(f"WITH {shared} {query}" for query in _QUERIES)]
    )
    return sorted(_line(words) for (words,) in queries(text))


def fingerprint(lines: Iterable[str]) -> str:
    """Return the hex SHA-256 of a canonical schema."""
    return sha256("\n".join(lines).encode()).hexdigest()


def _line(words: str) -> str:
    """Return a fact as one line; a view or a function may have several."""
    return words.strip().replace("\r", "").replace("\n", "⏎")
