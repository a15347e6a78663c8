"""What has no place in a SQL seed, read off the tree of a statement.

Reference data goes into every environment, production too, and no migration's review sees it. So a script of it holds
statements that change rows, and nothing that reaches further than the tables of its own database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from seedbed.engines.postgres.files.grammar import ParsedStatement
from seedbed.engines.postgres.rules import refusals
from seedbed.engines.postgres.rules.refusals import Refusal

_DATA = {"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "SelectStmt"}
# Functions of the server and of its own extensions that change what is no row of a table, read files or take SQL as
# text. Others are of one row and its values, or the service's own, which its migrations made.
_REACHING = re.compile(
    r"set_config|setseed|lo_\w+|loread|lowrite|dblink\w*|postgres_fdw\w*|file_fdw\w*|http\w*|cron_\w*|xpath_table"
    r"|(query|cursor|table|schema|database)_to_xml\w*|ts_stat|ts_rewrite|connectby|crosstab\w*"
    r"|pg_(read|ls|stat_file|terminate|cancel|reload|rotate|switch|promote|backup|start|stop|wal|create|drop|copy|log"
    r"|logical|replication|notify|advisory|try_advisory|extension|import|export|safe_snapshot|file|current_logfile"
    r"|stat_reset|stat_clear|stat_force|clear|restore|set_relation|set_attribute|nextoid|prewarm|buffercache|relation"
    r"|truncate|sync|sleep)\w*"
)
# Schemas of extensions that run SQL as text at another time, or send rows elsewhere: pg_cron, those of RDS, pgAgent.
_REACHING_SCHEMAS = {"aws_commons", "aws_lambda", "aws_s3", "cron", "partman", "pgagent"}
_CALLED = re.compile(
    rb'"funcname":\[(?:\{"String":\{"sval":"([^"]*)"\}\},)*\{"String":\{"sval":"([^"]*)"\}\}\]'
)
_OWN_TABLE = re.compile(
    rb'(?:"relname":|\{"String":\{"sval":)"(migrations_(?:audit|history|identity|verified))"'
)  # store.ownership
_INTO = re.compile(rb'"intoClause":')
_OTHERS = re.compile(
    rb'"schemaname":"(?:pg_|information_schema"|'
    + "|".join(_REACHING_SCHEMAS).encode()
    + rb')|"relname":"pg_'
)
_WORDS = {"schemaname", "newschema", "subname", "newname"}
_ROWS_ONLY = "reference data goes into every environment, production too: it changes rows, and nothing else"


def refusal(
    statement: ParsedStatement, words: str, history_schema: str, *, rows_only: bool
) -> Refusal | None:
    """Return why `statement` has no place in a seed, None where it has; `rows_only`: in one of reference data.

    `words`: what the statement is, for people. A tree is read as a whole only where its bytes give cause to: the rows
    of an INSERT may be most of a large file.
    """
    if found := refusals.refusal(statement):
        return found
    belongs = "it holds the history of this database, and which one it is"
    if _mentions(statement, history_schema) and history_schema in _schemas(statement.node()):
        return Refusal(
            f"a seed touches the schema {history_schema}, which belongs to seedbed", belongs, "leave it out"
        )
    if found_table := _OWN_TABLE.search(statement.tree):  # of another service's history, or by a search_path
        name = found_table[1].decode()
        return Refusal(f"a seed touches the table {name}, which belongs to seedbed", belongs, "leave it out")
    if not rows_only:
        return None
    if statement.kind not in _DATA or _INTO.search(statement.tree):
        what = "SELECT INTO" if statement.kind == "SelectStmt" else words
        return Refusal(
            f"{what} has no place in reference data",
            _ROWS_ONLY,
            "make it a migration; here INSERT, UPDATE, DELETE, MERGE and SELECT have their place",
        )
    called = ((each[1] or b"").decode() + "." + each[2].decode() for each in _CALLED.finditer(statement.tree))
    if reaching := next(filter(_reaches, called), ""):
        what = f"{reaching.removeprefix('.')}() has no place in reference data"
        return Refusal(what, _ROWS_ONLY, "make it a migration")
    if _OTHERS.search(statement.tree):
        written = set(_written(statement.kind, statement.node()))
        if schema := next((each for each in sorted(written) if _is_out_of_reach(each)), ""):
            return Refusal(
                f"a seed changes the schema {schema}",
                "it is the server's own, or an extension's",
                "leave it out; a table of your own whose name begins with pg_ needs its schema before it",
            )
    return None


def _mentions(statement: ParsedStatement, name: str) -> bool:
    return re.search(re.escape(json.dumps(name, ensure_ascii=False).encode()), statement.tree) is not None


def _reaches(function: str) -> bool:
    """Return whether `function`, `schema.name` with an empty schema where it has none, reaches further than rows."""
    schema, _, name = function.rpartition(".")
    return schema in _REACHING_SCHEMAS or _REACHING.fullmatch(name) is not None


def _is_out_of_reach(schema: str) -> bool:
    return schema.startswith("pg_") or schema == "information_schema" or schema in _REACHING_SCHEMAS


def _schemas(tree: Any) -> Iterator[str]:
    """Yield the schemas that a tree may name, and other names besides; those of columns are left out.

    Names stand in a tree as lists of strings, alone where a command is about a schema itself, or under a word.
    """
    for kind, node in [("", tree), *_nodes(tree)]:
        for word, value in node.items():
            if word in _WORDS and isinstance(value, str):
                yield value
            elif isinstance(value, list) and kind != "ColumnRef":
                yield from (each["String"].get("sval", "") for each in value if "String" in each)
            elif word == "object" and "String" in value:
                yield value["String"].get("sval", "")


def _written(kind: str, tree: dict[str, Any]) -> Iterator[str]:
    """Yield the schemas of tables that a statement changes, in its WITH as well.

    A name that begins with `pg_` and has no schema is the server's: pg_catalog is searched first.
    """
    for inner, node in [(kind, tree), *_nodes(tree)]:
        relation = node.get("relation") if inner in _DATA else None
        if not isinstance(relation, dict):
            continue
        if schema := relation.get("schemaname"):
            yield schema
        elif relation.get("relname", "").startswith("pg_"):
            yield "pg_catalog"


def _nodes(tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all nodes in a tree with the names that they have there: `{"FuncCall": {…}}`, `"relation": {…}`."""
    if isinstance(tree, list):
        for each in tree:
            yield from _nodes(each)
    elif isinstance(tree, dict):
        for kind, node in tree.items():
            if isinstance(node, dict):
                yield ("RangeVar" if "relname" in node else kind), node
            yield from _nodes(node)
