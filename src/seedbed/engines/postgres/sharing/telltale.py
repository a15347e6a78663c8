"""Whether what a database holds tells whose it is: then it is no template, for a copy would tell the same.

A migration that keeps `current_database()` or `current_user` in a row or in the text of a function writes down a name
of its environment. That name is looked for in all that was stored. Nothing that an owner made is run: no cast, no
policy.
"""

from __future__ import annotations

from seedbed.engines.postgres.files.quoting import quoted_text
from seedbed.engines.postgres.wire.connection import OWN_PATH
from seedbed.engines.postgres.wire.libpq import Query, QueryFailed

_DENIED = "42501"
# What an owner wrote that is kept as text, or is shown as text.
_WRITTEN = """
SELECT 'the function ' || oid::regprocedure::text FROM pg_proc WHERE oid >= 16384
    AND position({name} IN concat(prosrc, pg_get_function_sqlbody(oid), pg_get_function_arguments(oid), proconfig)) > 0
UNION ALL SELECT 'the view ' || oid::regclass::text FROM pg_class WHERE oid >= 16384 AND relkind IN ('v', 'm')
    AND position({name} IN pg_get_viewdef(oid)) > 0
UNION ALL SELECT 'a default of ' || adrelid::regclass::text FROM pg_attrdef
    WHERE position({name} IN pg_get_expr(adbin, adrelid)) > 0
UNION ALL SELECT 'the constraint ' || conname FROM pg_constraint WHERE oid >= 16384
    AND position({name} IN pg_get_constraintdef(oid)) > 0
UNION ALL SELECT 'the index ' || indexrelid::regclass::text FROM pg_index WHERE indexrelid >= 16384
    AND position({name} IN pg_get_indexdef(indexrelid)) > 0
UNION ALL SELECT 'the policy ' || polname FROM pg_policy
    WHERE position({name} IN concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))) > 0
UNION ALL SELECT 'the trigger ' || tgname FROM pg_trigger WHERE position({name} IN pg_get_triggerdef(oid)) > 0
UNION ALL SELECT 'the rule ' || rulename FROM pg_rewrite WHERE oid >= 16384
    AND position({name} IN pg_get_ruledef(oid)) > 0
UNION ALL SELECT 'a comment' FROM pg_description WHERE objoid >= 16384 AND position({name} IN description) > 0
"""
_STORES = (
    "SELECT oid::regclass::text FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'm') AND relispopulated"
)


def telltale(query: Query, name: str) -> str:
    """Return what in the database of this session has `name` in it, or may not be looked at; "" for nothing."""
    text = quoted_text(name)
    try:
        for row in query(f"{OWN_PATH}; {_WRITTEN.format(name=text)}"):
            return str(row[0])
        for (table,) in query(f"{OWN_PATH}; {_STORES}"):
            # A policy is the owner's code: where one would have to be run, the server refuses instead.
            found = f"EXISTS (SELECT FROM ONLY {table} AS t WHERE position({text} IN concat(t)) > 0)"
            if [*query(f"{OWN_PATH}; SET LOCAL row_security = off; SELECT '' WHERE {found}")]:
                return f"a row of {table}"
    except QueryFailed as error:
        if error.sqlstate != _DENIED:
            raise
        return "what even its owner may not read"
    return ""
